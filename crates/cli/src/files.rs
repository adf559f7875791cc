//! How many files this process may open, and what that leaves for connections.
//!
//! A full file table would not only keep connections out: the log could not begin its next
//! segment, and the server would have to end. So connections get what the rest leaves.

use huntcore_edge::EdgeConfig;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files for everything but connections: the log, checkpoints, event queues.
const RESERVED: u64 = 256;
/// Of few files the rest gets this share.
const RESERVED_SHARE: u64 = 4;
/// A live socket over TLS has a pair of local sockets besides its connection.
const FILES_FOR_TLS: usize = 2;

/// Takes as many files as the system allows, and lowers limits on connections that could not be
/// kept with them.
pub(crate) fn fit(edge: &mut EdgeConfig) {
    let Some(files) = raise() else {
        return;
    };
    let (connections, sockets) = (edge.limits.connections_max, edge.limits.sockets_max);
    fit_to(edge, files);
    let limits = &edge.limits;
    if (limits.connections_max, limits.sockets_max) != (connections, sockets) {
        tracing::warn!(
            files,
            connections_max = limits.connections_max,
            sockets_max = limits.sockets_max,
            "this process may open too few files for {connections} connections and {sockets} \
             live sockets: the limits are lowered; allow more files (ulimit -n, LimitNOFILE)"
        );
    }
}

/// Files that may be open; none if there is no end to it.
fn raise() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: maximum,
        maximum,
    };
    match setrlimit(Resource::Nofile, most) {
        Ok(()) => maximum,
        Err(error) => {
            tracing::debug!(%error, "the limit on open files stays as it is");
            current
        }
    }
}

fn fit_to(edge: &mut EdgeConfig, files: u64) {
    let left = files - RESERVED.min(files / RESERVED_SHARE);
    let left = usize::try_from(left).unwrap_or(usize::MAX);
    let for_tls = if edge.tls.is_some() { FILES_FOR_TLS } else { 0 };
    let limits = &mut edge.limits;
    let sockets = limits.sockets_max.min(limits.connections_max);
    let needed = limits
        .connections_max
        .saturating_add(sockets.saturating_mul(for_tls));
    if needed > left {
        limits.sockets_max = sockets.min(left / (1 + for_tls));
        let for_connections = left - limits.sockets_max * for_tls;
        limits.connections_max = limits.connections_max.min(for_connections).max(1);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use huntcore_edge::{AuthConfig, TlsFiles};

    use super::*;

    fn fitted(connections: usize, sockets: usize, tls: bool, files: u64) -> (usize, usize) {
        let mut edge = EdgeConfig::new(AuthConfig::Off);
        edge.limits.connections_max = connections;
        edge.limits.sockets_max = sockets;
        edge.tls = tls.then(|| TlsFiles {
            certificate: "c".into(),
            key: "k".into(),
            check_every: Duration::from_secs(1),
        });
        fit_to(&mut edge, files);
        (edge.limits.connections_max, edge.limits.sockets_max)
    }

    #[test]
    fn what_fits_stays_as_it_is() {
        assert_eq!(fitted(16_384, 16_000, false, 20_000), (16_384, 16_000));
        assert_eq!(fitted(100, 100, true, 1_024), (100, 100));
        assert_eq!(fitted(1, usize::MAX, true, 1_024), (1, usize::MAX));
    }

    #[test]
    fn connections_get_what_the_rest_leaves() {
        assert_eq!(fitted(300_000, 300_000, false, 20_000), (19_744, 19_744));
        assert_eq!(fitted(300_000, 100, false, 20_000), (19_744, 100));
        let (connections, sockets) = fitted(16_384, 16_000, true, 20_000);
        assert_eq!((connections, sockets), (6_582, 6_581));
        assert!(connections + FILES_FOR_TLS * sockets <= 19_744);
        assert_eq!(fitted(100, 100, false, 40), (30, 30));
    }
}
