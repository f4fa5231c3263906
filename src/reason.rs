//! Verdicts and the reasons for them: the closed vocabulary that every stage speaks.
//!
//! It stands beside `diagnostic`, before all stages, because mesh, rollout, gitops, wave and edit
//! all give reasons; `decision` only ranks them.

use crate::diagnostic::codes;

codes! {
    /// What is said of a workload. Closed set; the order is that of attention.
    pub enum Verdict {
        Ineffective = "ineffective": "It was restarted for this sidecar and came back stale. Something else decides; it is never stamped again by itself.",
        Blocked = "blocked": "A restart would do harm: the pods would lose their sidecars, or the new ones would be rejected.",
        Unknown = "unknown": "The snapshot does not hold enough to tell. What is missing is named.",
        Manual = "manual": "Stale, or the next pod would lack what it should have, and no edit of meshroll's mends it: a person or another owner must act. The remedy is named.",
        Restart = "restart": "Stale, and this plan's edit restarts it.",
        Held = "held": "Stale and would be restarted, but a gate holds it.",
        Pending = "pending": "Git already asks for the restart; it is not delivered yet.",
        Rolling = "rolling": "The rollout is under way.",
        Excluded = "excluded": "Opted out, by annotation, by configuration, or by an image of its own.",
        Tolerated = "tolerated": "Drift exists, but only of kinds that the policy does not restart on.",
        UpToDate = "up-to-date": "Every current pod has the expected sidecar, or the workload is not in the mesh and would not be.",
    }
}

codes! {
    /// Why a verdict is what it is.
    pub enum ReasonCode {
        ControlPlaneNotSettled = "control-plane-not-settled": "The control plane of this revision is not rolled out, not ready, or changed moments ago. A pod that restarts now may get the old sidecar: run again when it has settled.",
        ControlPlaneMixedVersions = "control-plane-mixed-versions": "The pods of istiod run different images, so which sidecar a new pod gets depends on who answers. Wait for istiod's rollout.",
        WaveNotOpen = "wave-not-open": "An earlier wave is not done, so this one has not begun.",
        Soaking = "soaking": "The previous wave is done and its soak time is running.",
        LimitReached = "limit-reached": "As many restarts as the limits allow are in flight.",
        OutsideWindow = "outside-window": "The time is outside the configured windows.",
        RolloutInProgress = "rollout-in-progress": "A rollout that is not meshroll's is under way. It may bring the new sidecar by itself; run again when it is over.",
        WorkloadUnhealthy = "workload-unhealthy": "The workload's rollout is stuck or its pods are crash-looping. A restart would add to the trouble: mend it first.",
        UnparsableManifest = "unparsable-manifest": "No manifest that can be parsed makes the workload, and a file that cannot be parsed holds its name. Mend the file: what it makes is not known until then.",
        OrderNotProven = "order-not-proven": "Nothing proves that the engine delivers this workload only after istiod: restarted in the same commit, it could come back with the old sidecar. Merge the change, and restart it afterwards.",
        WouldLoseSidecar = "would-lose-sidecar": "No injector selects the pods any more, so a restart would take them out of the mesh.",
        RevisionNotInstalled = "revision-not-installed": "A label names a revision or tag that no injector serves. Relabel the namespace or the pod template, then restart.",
        WouldBeRejected = "would-be-rejected": "The injector would refuse the new pod, so a restart would leave the workload short of pods. Correct the named field first.",
        Job = "job": "A Job's template is immutable and its pods run to their end. Delete and re-create the Job if it must have the new sidecar.",
        CronJob = "cron-job": "The next run of the CronJob gets the new sidecar by itself; the pods of a run under way keep theirs.",
        BarePod = "bare-pod": "The pod has no controller: nothing re-creates it. Delete it and create it again.",
        BareReplicaSet = "bare-replica-set": "A ReplicaSet without a Deployment does not replace running pods when its template changes. Delete its pods one by one.",
        ReplicationController = "replication-controller": "A ReplicationController does not replace running pods when its template changes. Delete its pods one by one.",
        OnDelete = "on-delete": "The update strategy is OnDelete: pods are replaced only when somebody deletes them.",
        Partitioned = "partitioned": "The StatefulSet's partition holds back every stale pod. Lower the partition, or delete the pods.",
        Paused = "paused": "The workload is paused: an edit would be accepted and restart nothing until somebody resumes it.",
        ZeroReplicas = "zero-replicas": "The workload is scaled to zero: there is nothing to restart, and new pods get the new sidecar.",
        InPlaceUpdate = "in-place-update": "The controller updates pods in place, so a change of annotations re-creates and injects nothing.",
        OperatorOwned = "operator-owned": "An operator owns the workload and would undo an edit. Restart it through the owner that is named.",
        HelmRelease = "helm-release": "The workload is rendered by Helm in the cluster: no manifest in Git can be edited. Add the pod annotation where the release's values or post-renderers are.",
        NotInGit = "not-in-git": "No manifest in the repository makes this workload. Restart it where it comes from.",
        GeneratedManifest = "generated-manifest": "The manifest is written by a generator that alone may write it. Edit the generator's source.",
        SharedManifest = "shared-manifest": "The manifest feeds more than one destination, so an edit would restart workloads elsewhere too.",
        AmbiguousManifest = "ambiguous-manifest": "More than one manifest claims to make this workload. Which one the cluster gets cannot be told.",
        TemplatedManifest = "templated-manifest": "The manifest is a template, not a rendered manifest.",
        GatewayApiManaged = "gateway-api-managed": "istiod deploys and restarts this proxy for a Gateway resource, or it belongs to Istio's own installation (ztunnel, istio-cni) and is upgraded with it. It is reported and never edited.",
        StaticSidecar = "static-sidecar": "The sidecar was written into the manifest by `istioctl kube-inject`: a restart changes nothing. Run kube-inject again.",
        ExcludedByAnnotation = "excluded-by-annotation": "The annotation `meshroll.dev/exclude` on the workload or its namespace opts it out.",
        ExcludedByConfig = "excluded-by-config": "The configuration opts the workload out.",
        CustomProxyImage = "custom-proxy-image": "The workload chooses a proxy image of its own, which injection takes as it is.",
        UneditableManifest = "uneditable-manifest": "The manifest cannot be edited with a proof that nothing else changes. Add the annotations by hand.",
        Halted = "halted": "The configuration halts every restart.",
        RestartedTooEarly = "restarted-too-early": "It was restarted before the control plane had settled and came back with the old sidecar: it is restarted once more.",
        LostSidecar = "lost-sidecar": "A pod that should have a sidecar came back without one after a restart. Find out what keeps injection from working before anything else is restarted.",
        AwaitingDelivery = "awaiting-delivery": "The restart is in Git and the engine has not applied it yet.",
        DeliveryBlocked = "delivery-blocked": "The restart is in Git and something keeps the engine from applying it.",
        NonConverging = "non-converging": "Pods created after the control plane settled still differ from what is expected: something changes them after injection, or the expectation is wrong. Both values are shown.",
        InjectorUnresolvable = "injector-unresolvable": "What the injector would inject cannot be computed from the snapshot.",
        SnapshotIncomplete = "snapshot-incomplete": "The snapshot lacks objects that are needed to tell.",
        Downgrade = "downgrade": "The expected proxy is older than the running one.",
        SkewExceeded = "skew-exceeded": "The proxy is further from its control plane than Istio supports.",
        SidecarRemoval = "sidecar-removal": "Injection was switched off: a restart removes the sidecar, as the policy asks for.",
        StaticPod = "static-pod": "The kubelet makes the pod from a file on its node. Change or touch that file.",
        NamedRevision = "named-revision": "The Knative Service names its revision or pins its traffic to one, so a change of the template alone is rejected or gets no requests. Set a new name, or move the traffic, together with the restart.",
        NoConfigChange = "no-config-change": "The DeploymentConfig has no ConfigChange trigger, so an edit starts no rollout. Start one by hand.",
        InjectorsOverlap = "injectors-overlap": "More than one injector selects the pods; the last configuration by name wins.",
    }
}

/// A reason with the facts of the case at hand.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reason {
    /// The stable code.
    pub code: ReasonCode,
    /// What is the case and, where a person must act, the command or edit to make.
    pub message: String,
}

impl Reason {
    /// A reason with its message.
    pub fn new(code: ReasonCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}
