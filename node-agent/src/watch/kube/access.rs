//! Where the API server is and who we are to it: as kubectl finds it.
use super::error::AccessError;
use super::server::Server;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::client::{Body, ConfigExt};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use std::path::PathBuf;
use std::time::Duration;
use tower::{BoxError, ServiceBuilder};

/// How long making a TCP connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// A connection that was silent so long is probed: a watch may have nothing to say for minutes, and the server it is to may
/// be gone without a word.
const SILENT: Duration = Duration::from_secs(10);
/// Between probes, of which the last unanswered one ends the connection.
const PROBES: (Duration, u32) = (Duration::from_secs(5), 3);
/// So long what we send may stay unacknowledged.
const UNACKNOWLEDGED: Duration = Duration::from_secs(20);

/// What was said of it on the command line. Else: `KUBECONFIG`, `~/.kube/config`, and in a pod its service account.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Access {
    /// A kubeconfig.
    pub kubeconfig: Option<PathBuf>,
    /// A context of it; absent: its current one.
    pub context: Option<String>,
}

impl Access {
    /// Makes a client. Nothing is asked of the API server yet, so it may be away.
    ///
    /// # Errors
    /// [`AccessError`]: what is configured cannot be read, or makes no client.
    pub async fn server(&self) -> Result<Server, AccessError> {
        let config = self.config().await?;
        let server = config.cluster_url.to_string();
        let server = server.trim_end_matches('/');
        let client = client(&config)
            .map_err(|source| AccessError::Client { server: server.to_owned(), source: Box::new(source) })?;
        Ok(Server::new(client, server))
    }

    async fn config(&self) -> Result<Config, AccessError> {
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        let failed =
            |source| AccessError::Kubeconfig { path: self.kubeconfig.clone(), source: Box::new(source) };
        match &self.kubeconfig {
            Some(path) => {
                let read = Kubeconfig::read_from(path).map_err(failed)?;
                Config::from_custom_kubeconfig(read, &options).await.map_err(failed)
            }
            None if self.context.is_some() || is_there() => {
                Config::from_kubeconfig(&options).await.map_err(failed)
            }
            None => Config::incluster().map_err(|source| AccessError::InCluster { source: Box::new(source) }),
        }
    }
}

/// Whether there is a kubeconfig where kubectl looks for one.
fn is_there() -> bool {
    let named = std::env::var_os("KUBECONFIG").is_some_and(|value| !value.is_empty());
    let home = std::env::var_os("HOME").map(PathBuf::from);
    named || home.is_some_and(|home| home.join(".kube/config").is_file())
}

/// A client that notices when the other end is gone, and leaves it to the caller when to try again.
fn client(config: &Config) -> Result<Client, kube::Error> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT));
    tcp.set_keepalive(Some(SILENT));
    tcp.set_keepalive_interval(Some(PROBES.0));
    tcp.set_keepalive_retries(Some(PROBES.1));
    tcp.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
    let https = config.rustls_https_connector_with_connector(tcp)?;
    let http: HttpClient<_, Body> = HttpClient::builder(TokioExecutor::new()).build(https);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(http);
    Ok(Client::new(service, config.default_namespace.clone()))
}
