//! TLS: a certificate and its key, read again when their files change.
//!
//! What is running goes on with what it began with; new connections get the new certificate.
//! Files that are no good are refused with a warning, and the last good ones stay in use.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::canned;
use crate::config::TlsFiles;
use crate::counts::{Counts, TlsEnd};

/// The first byte of every TLS connection, and of no HTTP request.
const HANDSHAKE_RECORD: u8 = 22;

/// Why TLS cannot be spoken with what is in the files.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file is not there, or may not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not PEM, or holds nothing of the kind.
    #[error("{} holds no {expected} in PEM: {reason}", path.display())]
    Pem {
        /// Which one.
        path: PathBuf,
        /// What should stand in it.
        expected: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The two do not belong together, or are of a kind that is not supported.
    #[error(
        "{} and {} cannot be used together: {source}", certificate.display(), key.display()
    )]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why.
        source: rustls::Error,
    },
}

/// See the module.
pub(crate) struct Tls {
    files: TlsFiles,
    current: ArcSwap<ServerConfig>,
    counts: Counts,
}

/// What stood in the files.
struct Read {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Read {
    fn new(files: &TlsFiles) -> Result<Self, TlsError> {
        let read = |path: &PathBuf| {
            std::fs::read(path).map_err(|source| TlsError::Read {
                path: path.clone(),
                source,
            })
        };
        Ok(Self {
            certificate: read(&files.certificate)?,
            key: read(&files.key)?,
        })
    }

    /// Tells one content from another, without keeping the key about.
    fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update((self.certificate.len() as u64).to_be_bytes());
        digest.update(&self.certificate);
        digest.update(&self.key);
        digest.finalize().into()
    }

    fn config(&self, files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
        let pem = |path: &PathBuf, expected, reason: String| TlsError::Pem {
            path: path.clone(),
            expected,
            reason,
        };
        let certificates = CertificateDer::pem_slice_iter(&self.certificate)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| pem(&files.certificate, "certificate", error.to_string()))?;
        if certificates.is_empty() {
            let reason = "there is none in it".to_owned();
            return Err(pem(&files.certificate, "certificate", reason));
        }
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|error| pem(&files.key, "private key", error.to_string()))?;
        let pair = |source| TlsError::Pair {
            certificate: files.certificate.clone(),
            key: files.key.clone(),
            source,
        };
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(pair)?
            .with_no_client_auth()
            .with_single_cert(certificates, key)
            .map_err(pair)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // Whoever comes back within hours is spared most of a handshake, and so are we; nothing
        // is remembered here for it.
        config.ticketer = aws_lc_rs::Ticketer::new().map_err(pair)?;
        config.send_tls13_tickets = 1;
        Ok(Arc::new(config))
    }
}

impl Tls {
    /// Reads the files for the first time.
    pub(crate) fn new(files: TlsFiles, counts: Counts) -> Result<(Self, Watch), TlsError> {
        let read = Read::new(&files)?;
        let current = ArcSwap::from(read.config(&files)?);
        let watch = Watch {
            seen: read.digest(),
            is_missing: false,
        };
        Ok((
            Self {
                files,
                current,
                counts,
            },
            watch,
        ))
    }

    /// Shakes hands with a peer; `None` if it is not to be.
    pub(super) async fn accept(
        &self,
        mut tcp: TcpStream,
        timeout: std::time::Duration,
        stop: &CancellationToken,
    ) -> Option<Box<TlsStream<TcpStream>>> {
        let shaking = async {
            let mut first = [0];
            if tcp.peek(&mut first).await? > 0 && first[0] != HANDSHAKE_RECORD {
                // An address typed without its s; most say so by a first letter.
                tcp.write_all(&canned::not_tls()).await?;
                tcp.shutdown().await?;
                return Err(io::ErrorKind::InvalidData.into());
            }
            let acceptor = TlsAcceptor::from(self.current.load_full());
            acceptor.accept(tcp).await
        };
        let shaken = tokio::select! {
            biased;
            () = stop.cancelled() => return None,
            shaken = tokio::time::timeout(timeout, shaking) => shaken,
        };
        let (end, tls) = match shaken {
            Ok(Ok(tls)) => (TlsEnd::Done, Some(Box::new(tls))),
            Ok(Err(error)) => {
                tracing::debug!(%error, "TLS handshake failed");
                (TlsEnd::Failed, None)
            }
            Err(_) => (TlsEnd::TimedOut, None),
        };
        self.counts.tls_handshake(end);
        tls
    }

    /// Looks at the files every now and then, until it is dropped.
    pub(super) async fn watch(self: Arc<Self>, mut watch: Watch) {
        loop {
            tokio::time::sleep(self.files.check_every).await;
            let this = Arc::clone(&self);
            let looked = tokio::task::spawn_blocking(move || {
                this.look(&mut watch);
                watch
            });
            watch = match looked.await {
                Ok(watch) => watch,
                Err(error) => {
                    tracing::error!(%error, "TLS certificates are not looked at any more");
                    return std::future::pending().await;
                }
            };
        }
    }

    /// Takes over what has changed, if it is good.
    fn look(&self, watch: &mut Watch) {
        let read = match Read::new(&self.files) {
            Ok(read) => read,
            Err(error) => {
                // Between two files' replacement one may be missing for a moment.
                if !std::mem::replace(&mut watch.is_missing, true) {
                    tracing::warn!(%error, "TLS goes on with the certificate that it has");
                }
                return;
            }
        };
        watch.is_missing = false;
        let digest = read.digest();
        if digest == watch.seen {
            return;
        }
        watch.seen = digest;
        match read.config(&self.files) {
            Ok(config) => {
                self.current.store(config);
                self.counts.tls_load(true);
                let file = self.files.certificate.display();
                tracing::info!(%file, "new connections get the new TLS certificate");
            }
            Err(error) => {
                self.counts.tls_load(false);
                tracing::warn!(%error, "TLS goes on with the certificate that it has");
            }
        }
    }
}

/// What was last seen in the files.
#[derive(Debug)]
pub(crate) struct Watch {
    seen: [u8; 32],
    is_missing: bool,
}
