//! Connecting: from a kubeconfig, or from within a pod, to a client.

use kube::Client;
use kube::config::{Config, InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError};
use tokio::runtime::{Builder, Runtime};

use super::ClusterOptions;
use super::list::Api;

/// There is no way to the cluster.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The kubeconfig cannot be used.
    #[error("the kubeconfig cannot be used")]
    Kubeconfig(#[source] KubeconfigError),
    /// There is neither a kubeconfig nor a pod's service account.
    #[error("there is no cluster: no kubeconfig, and not inside a pod")]
    NoCluster(#[source] InClusterError),
    /// The kubeconfig names a program to run, in a place where it may be somebody else's.
    #[error("the kubeconfig runs a program for credentials, which is refused under CI=true")]
    ExecRefused,
    /// The kubeconfig switches the verification of TLS off.
    #[error("the kubeconfig has insecure-skip-tls-verify, with which anybody can be the cluster")]
    Insecure,
    /// The client cannot be set up.
    #[error("the client of the cluster cannot be set up")]
    Client(#[source] kube::Error),
    /// The system does not let meshroll wait for the network.
    #[error("the network cannot be waited for")]
    Runtime(#[source] std::io::Error),
}

/// A client of the cluster that the options name.
pub(super) fn connect(options: &ClusterOptions) -> Result<Api, ConnectError> {
    let runtime = runtime()?;
    let config = runtime.block_on(config(options))?;
    let is_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    check(&config, options.allow_exec || !is_ci)?;
    api(runtime, config)
}

/// A client of the cluster that a configuration names.
pub(super) fn api(runtime: Runtime, mut config: Config) -> Result<Api, ConnectError> {
    // Retries are ours, where they can start a list again.
    config.default_retry = false;
    config.read_timeout = Some(std::time::Duration::from_secs(60));
    let client = {
        let _context = runtime.enter();
        Client::try_from(config).map_err(ConnectError::Client)?
    };
    Ok(Api::new(runtime, client))
}

pub(super) fn runtime() -> Result<Runtime, ConnectError> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(ConnectError::Runtime)
}

async fn config(options: &ClusterOptions) -> Result<Config, ConnectError> {
    let kubeconfig = match &options.kubeconfig {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    };
    let is_named = options.kubeconfig.is_some() || options.context.is_some();
    let kubeconfig = match kubeconfig {
        Ok(kubeconfig) => kubeconfig,
        // Only where no kubeconfig is there at all: a broken one is an error.
        Err(KubeconfigError::FindPath) if !is_named => return in_cluster(),
        Err(KubeconfigError::ReadConfig(error, _))
            if !is_named && error.kind() == std::io::ErrorKind::NotFound =>
        {
            return in_cluster();
        }
        Err(error) => return Err(ConnectError::Kubeconfig(error)),
    };
    let choice = KubeConfigOptions {
        context: options.context.clone(),
        ..KubeConfigOptions::default()
    };
    Config::from_custom_kubeconfig(kubeconfig, &choice)
        .await
        .map_err(ConnectError::Kubeconfig)
}

fn in_cluster() -> Result<Config, ConnectError> {
    Config::incluster().map_err(ConnectError::NoCluster)
}

/// Refuses what a kubeconfig may ask for and should not get.
pub(super) fn check(config: &Config, may_exec: bool) -> Result<(), ConnectError> {
    let runs = config.auth_info.exec.is_some() || config.auth_info.auth_provider.is_some();
    if runs && !may_exec {
        return Err(ConnectError::ExecRefused);
    }
    if config.accept_invalid_certs {
        return Err(ConnectError::Insecure);
    }
    Ok(())
}
