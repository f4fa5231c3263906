//! The recorded clusters and what was delivered to them, where they are at hand.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::describe;
use crate::config::Policy;
use crate::gitops::DeliveryMap;
use crate::manifest::{ManifestSet, RawFile, Screen, parse};
use crate::rollout::{Effect, Progress, effect, members, progress};
use crate::snapshot::{ClusterSnapshot, Input, read};

fn snapshot(root: &Path, recording: &str) -> ClusterSnapshot {
    let input = Input {
        name: recording.to_owned(),
        reader: Box::new(std::fs::File::open(root.join(recording)).expect("the recording")),
    };
    read(vec![input]).expect("a snapshot").0
}

fn manifests(root: &Path) -> ManifestSet {
    let mut files = Vec::new();
    let mut waiting = vec![root.to_path_buf()];
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                let relative = path.strip_prefix(root).expect("below the root");
                files.push(RawFile {
                    path: relative.to_str().expect("a name").to_owned(),
                    bytes: std::fs::read(&path).expect("a file"),
                });
            }
        }
    }
    parse(files, &Screen::new()).0
}

/// Where each workload outside of Istio's own namespace comes from, what an edit does to it and how
/// far its rollout is.
fn report(recording: &str, directory: &str) -> Option<Vec<String>> {
    let root = PathBuf::from(std::env::var_os("MESHROLL_REAL_DATA")?).join("recordings");
    let snapshot = snapshot(&root, recording);
    let manifests = manifests(&root.join(directory));
    let policy = Policy::default();
    let (map, _) = DeliveryMap::new(&manifests, &snapshot, &policy, Timestamp::UNIX_EPOCH);
    let line = |member: &crate::rollout::Member<'_>| {
        let source = describe(&map.origin(member));
        let source = source.split(": ").next().unwrap_or_default();
        let effect = match effect(member) {
            Effect::TemplateAnnotation => "template".to_owned(),
            Effect::RestartAt => "restart-at".to_owned(),
            Effect::None(reason) | Effect::NothingToDo(reason) => reason.code.to_string(),
        };
        let progress = match progress(member) {
            Progress::Finished => "",
            Progress::Running { .. } => " running",
            Progress::Stuck { .. } => " stuck",
        };
        let (pods, current) = (member.pods.len(), member.current.len());
        format!(
            "{} {current}/{pods} {effect}{progress} <- {source}",
            member.reference
        )
    };
    let members = members(&snapshot);
    let members = members
        .iter()
        .filter(|m| m.reference.namespace != "istio-system");
    Some(members.map(line).collect())
}

#[test]
fn the_recorded_upgrade() {
    let Some(found) = report("in-place/after-upgrade.json", "in-place/manifests") else {
        return;
    };
    assert_eq!(
        found,
        [
            "Deployment edge/edge-gateway 2/2 template <- clusters/rig/edge/gateway.yaml#0 by flux flux-system/apps",
            "CronJob infra/cleanup 0/0 cron-job <- clusters/rig/infra/agents.yaml#3 by flux flux-system/apps",
            "DaemonSet infra/log-agent 3/3 template <- clusters/rig/infra/agents.yaml#0 by flux flux-system/apps",
            "DaemonSet infra/node-exporter 3/3 template <- clusters/rig/infra/agents.yaml#1 by flux flux-system/apps",
            "StatefulSet infra/queue 2/2 on-delete <- clusters/rig/infra/agents.yaml#2 by flux flux-system/apps",
            "Deployment payments/api 3/3 template <- clusters/rig/payments/api.yaml#1 by flux flux-system/apps",
            "Deployment payments/fraud 1/1 template <- clusters/rig/payments/fraud.yaml#0 by flux flux-system/apps",
            "Deployment payments/pinned 1/1 template <- clusters/rig/payments/pinned.yaml#0 by flux flux-system/apps",
            "Job payments/migrate 1/1 job <- not-in-git",
            "StatefulSet payments/ledger 2/2 template <- clusters/rig/payments/ledger.yaml#0 by flux flux-system/apps",
            "Deployment plain/annotated-only 1/1 template <- clusters/rig/plain/apps.yaml#2 by flux flux-system/apps",
            "Deployment plain/opted-in 1/1 template <- clusters/rig/plain/apps.yaml#1 by flux flux-system/apps",
            "Deployment plain/static-site 2/2 template <- clusters/rig/plain/apps.yaml#0 by flux flux-system/apps",
            "Deployment shop/adhoc 2/2 template <- not-in-git",
            "Deployment shop/details-v1 1/1 template <- clusters/rig/shop/bookinfo.yaml#2 by flux flux-system/apps",
            "Deployment shop/productpage-v1 1/1 template <- clusters/rig/shop/bookinfo.yaml#13 by flux flux-system/apps",
            "Deployment shop/ratings-v1 1/1 template <- clusters/rig/shop/bookinfo.yaml#5 by flux flux-system/apps",
            "Deployment shop/reviews-v1 1/1 template <- clusters/rig/shop/bookinfo.yaml#8 by flux flux-system/apps",
            "Deployment shop/reviews-v2 1/1 template <- clusters/rig/shop/bookinfo.yaml#9 by flux flux-system/apps",
            "Deployment shop/reviews-v3 1/1 template <- clusters/rig/shop/bookinfo.yaml#10 by flux flux-system/apps",
            "Pod shop/debug 1/1 bare-pod <- not-in-git",
        ]
    );
}

#[test]
fn the_recorded_tag_move() {
    let Some(found) = report("tag-move/after-move.json", "tag-move/manifests") else {
        return;
    };
    assert_eq!(
        found,
        [
            "Deployment team-a/no-mesh 1/1 template <- apps/team-a-no-mesh.yaml#0 by argo-cd apps",
            "Deployment team-a/pod-rev 1/1 template <- apps/team-a-pod-rev.yaml#0 by argo-cd apps",
            "Deployment team-a/web 3/3 template <- apps/team-a-web.yaml#0 by argo-cd apps",
            "Deployment team-b/web 2/2 template <- apps/team-b-web.yaml#0 by argo-cd apps",
            "Deployment team-c/both-labels 2/2 template <- apps/team-c-both.yaml#0 by argo-cd apps",
            "Deployment team-d/by-pod-label 2/2 template <- apps/team-d-by-pod-label.yaml#0 by argo-cd apps",
            "Deployment team-d/stranger 1/1 template <- apps/team-d-stranger.yaml#0 by argo-cd apps",
            "Deployment team-e/loses-it 1/1 template <- apps/team-e.yaml#0 by argo-cd apps",
        ]
    );
}
