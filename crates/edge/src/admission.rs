//! Who may connect: how many at once, how many a second, from one address and as one player.
//!
//! A connection is judged when it is accepted, before anything is allocated for it; a live
//! socket when its handshake asks for one. What was let in holds a place until it is dropped.
//! Nothing here waits or queues: at a limit the answer is no, with a hint when to come again.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use huntcore_model::PlayerId;
use huntcore_wire::{Problem, ProblemKind};
use ipnet::IpNet;

use crate::config::{EdgeConfig, Limits};
use crate::counts::Counts;
use crate::jitter;
use crate::origin::AddressKey;
use crate::problem::{Refusal, whole_millis};
use crate::rate::Rates;

/// Whoever is refused is asked to come again after this long at least,
const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);
/// and at most this much later, so that the refused don't all come back together.
const RETRY_SPREAD: Duration = Duration::from_secs(4);

/// Maps that holders are spread over, so that threads seldom wait for each other.
const SHARDS: usize = 16;

/// See the module.
pub(crate) struct Admission {
    limits: Limits,
    trusted_proxies: Vec<IpNet>,
    counts: Counts,
    /// Of everybody together.
    connects: Rates<()>,
    address_connects: Rates<AddressKey>,
    by_address: Held,
    by_player: Held,
    player_hasher: RandomState,
}

/// What was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// `connections_max`
    Connections,
    /// `connections_per_address_max`
    Address,
    /// `connect_rate`
    ConnectRate,
    /// `address_connect_rate`
    AddressConnectRate,
    /// `sockets_max`
    Sockets,
    /// `connections_per_address_max`, behind a trusted proxy
    AddressSockets,
    /// `sockets_per_player_max`
    PlayerSockets,
    /// `address_connect_rate`, behind a trusted proxy
    AddressSocketRate,
    /// The process may open no more files.
    Files,
}

impl Limit {
    pub(crate) const ALL: [Self; 9] = [
        Self::Connections,
        Self::Address,
        Self::ConnectRate,
        Self::AddressConnectRate,
        Self::Sockets,
        Self::AddressSockets,
        Self::PlayerSockets,
        Self::AddressSocketRate,
        Self::Files,
    ];

    /// As metrics name it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Connections | Self::Sockets => "total",
            Self::Address | Self::AddressSockets => "address",
            Self::ConnectRate => "rate",
            Self::AddressConnectRate | Self::AddressSocketRate => "address-rate",
            Self::PlayerSockets => "player",
            Self::Files => "files",
        }
    }

    /// Whether a live socket was refused, and not a connection.
    pub(crate) const fn is_of_sockets(self) -> bool {
        match self {
            Self::Connections | Self::Address | Self::ConnectRate | Self::AddressConnectRate => {
                false
            }
            Self::Sockets
            | Self::AddressSockets
            | Self::PlayerSockets
            | Self::AddressSocketRate
            | Self::Files => true,
        }
    }

    /// What the refused are told.
    const fn detail(self) -> &'static str {
        match self {
            Self::Connections => "every connection that this server has is taken",
            Self::Address => "this address has as many connections as one may have",
            Self::ConnectRate => "more connect at the moment than this server takes in",
            Self::AddressConnectRate | Self::AddressSocketRate => {
                "this address connects more often than one may"
            }
            Self::Sockets | Self::Files => "every live socket that this server has is taken",
            Self::AddressSockets => "this address has as many live sockets as one may have",
            Self::PlayerSockets => "this player has as many live sockets as one may have",
        }
    }

    /// The refusal; no two in a row ask to come back at the same time.
    pub(crate) fn problem(self) -> Problem {
        self.problem_after(retry_after())
    }

    /// Refusals to be used in turn, each with another time to come again.
    pub(crate) fn problems(self, count: u32) -> impl Iterator<Item = Problem> {
        let step = RETRY_SPREAD / count.max(1);
        (0..count).map(move |number| self.problem_after(RETRY_AFTER_MIN + step * number))
    }

    fn problem_after(self, wait: Duration) -> Problem {
        let problem = Problem::new(ProblemKind::TooManyConnections, self.detail());
        problem.retry_after_ms(whole_millis(wait))
    }
}

/// When whoever is turned away should come again; each at another time.
pub(crate) fn retry_after() -> Duration {
    RETRY_AFTER_MIN + jitter::below(RETRY_SPREAD)
}

impl From<Limit> for Refusal {
    fn from(limit: Limit) -> Self {
        limit.problem().into()
    }
}

impl Admission {
    pub(crate) fn new(config: &EdgeConfig, counts: &Counts) -> Self {
        let limits = config.limits.clone();
        Self {
            trusted_proxies: config.trusted_proxies.clone(),
            counts: counts.clone(),
            connects: Rates::new(limits.connect_rate, limits.rate_keys_max),
            address_connects: Rates::new(limits.address_connect_rate, limits.rate_keys_max),
            by_address: Held::default(),
            by_player: Held::default(),
            player_hasher: RandomState::new(),
            limits,
        }
    }

    /// Lets a connection in that was just accepted.
    pub(crate) fn connection(self: &Arc<Self>, peer: IpAddr) -> Result<ConnectionPlace, Limit> {
        let admitted = self.admit_connection(peer);
        if let Err(limit) = admitted {
            self.counts.refused(limit);
        }
        admitted
    }

    fn admit_connection(self: &Arc<Self>, peer: IpAddr) -> Result<ConnectionPlace, Limit> {
        let peer = peer.to_canonical();
        // A proxy connects for many; whom for, only the request's headers say.
        let address = (!self.is_trusted(peer)).then_some(peer);
        // Its own limits first: whoever is over them uses up nothing that is everybody's.
        let address = address.and_then(|address| self.limited(address));
        if let Some(address) = address {
            let checked = self.address_connects.check(&address);
            checked.map_err(|_| Limit::AddressConnectRate)?;
        }
        let mut place = ConnectionPlace {
            address: self.hold_address(address, Limit::Address)?,
            is_counted: false,
            admission: Arc::clone(self),
        };
        if !self.counts.begin_connection(self.limits.connections_max) {
            return Err(Limit::Connections);
        }
        place.is_counted = true;
        self.connects.check(&()).map_err(|_| Limit::ConnectRate)?;
        self.counts.connected();
        Ok(place)
    }

    /// Lets a connection become a live socket. `asker` is who asks, as trusted proxies tell
    /// it; `peer` is who connected.
    pub(crate) fn socket(
        self: &Arc<Self>,
        peer: IpAddr,
        asker: IpAddr,
        player: Option<&PlayerId>,
    ) -> Result<SocketPlace, Limit> {
        let admitted = self.admit_socket(peer, asker, player);
        if let Err(limit) = admitted {
            self.counts.refused(limit);
        }
        admitted
    }

    fn admit_socket(
        self: &Arc<Self>,
        peer: IpAddr,
        asker: IpAddr,
        player: Option<&PlayerId>,
    ) -> Result<SocketPlace, Limit> {
        // Those who came without a proxy were counted when they connected.
        let is_named = asker.to_canonical() != peer.to_canonical();
        let address = is_named.then(|| self.limited(asker)).flatten();
        if let Some(address) = address {
            let checked = self.address_connects.check(&address);
            checked.map_err(|_| Limit::AddressSocketRate)?;
        }
        let mut place = SocketPlace {
            address: self.hold_address(address, Limit::AddressSockets)?,
            player: None,
            is_counted: false,
            admission: Arc::clone(self),
        };
        if let Some(player) = player {
            let key = HeldKey::of(self.player_hasher.hash_one(player));
            if !self.by_player.hold(key, self.limits.sockets_per_player_max) {
                return Err(Limit::PlayerSockets);
            }
            place.player = Some(key);
        }
        if !self.counts.begin_socket(self.limits.sockets_max) {
            return Err(Limit::Sockets);
        }
        place.is_counted = true;
        Ok(place)
    }

    /// Takes note that there were no files for a live socket.
    pub(crate) fn no_files(&self) -> Limit {
        self.counts.refused(Limit::Files);
        Limit::Files
    }

    fn hold_address(
        &self,
        address: Option<AddressKey>,
        limit: Limit,
    ) -> Result<Option<HeldKey>, Limit> {
        let Some(address) = address else {
            return Ok(None);
        };
        let key = HeldKey::of(address.number());
        let max = self.limits.connections_per_address_max;
        let is_held = self.by_address.hold(key, max);
        is_held.then_some(Some(key)).ok_or(limit)
    }

    fn is_trusted(&self, address: IpAddr) -> bool {
        let mut trusted = self.trusted_proxies.iter();
        trusted.any(|net| net.contains(&address))
    }

    /// The address under which limits on one address hold, if any do.
    fn limited(&self, address: IpAddr) -> Option<AddressKey> {
        let is_spared = address.to_canonical().is_loopback() && !self.limits.limit_loopback;
        (!is_spared).then(|| AddressKey::of(address))
    }
}

/// One place among the connections; free again when dropped.
pub(crate) struct ConnectionPlace {
    admission: Arc<Admission>,
    address: Option<HeldKey>,
    is_counted: bool,
}

impl Drop for ConnectionPlace {
    fn drop(&mut self) {
        if let Some(address) = self.address {
            self.admission.by_address.release(address);
        }
        if self.is_counted {
            self.admission.counts.end_connection();
        }
    }
}

/// One place among the live sockets; free again when dropped.
pub(crate) struct SocketPlace {
    admission: Arc<Admission>,
    address: Option<HeldKey>,
    player: Option<HeldKey>,
    is_counted: bool,
}

impl Drop for SocketPlace {
    fn drop(&mut self) {
        if let Some(address) = self.address {
            self.admission.by_address.release(address);
        }
        if let Some(player) = self.player {
            self.admission.by_player.release(player);
        }
        if self.is_counted {
            self.admission.counts.end_socket();
        }
    }
}

/// Whom something is held for. A number, so that a place costs eight bytes for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct HeldKey(NonZeroU64);

impl HeldKey {
    fn of(number: u64) -> Self {
        Self(NonZeroU64::new(number).unwrap_or(NonZeroU64::MAX))
    }
}

/// How many places each key holds. Whoever holds none is not in it, so it is no larger than
/// what is held.
#[derive(Default)]
struct Held {
    shards: [Mutex<HashMap<HeldKey, usize>>; SHARDS],
    hasher: RandomState,
}

impl Held {
    /// Takes one more place, unless the key has `max`.
    fn hold(&self, key: HeldKey, max: usize) -> bool {
        let mut shard = self.shard(key);
        let held = shard.get(&key).copied().unwrap_or_default();
        if held < max {
            shard.insert(key, held + 1);
        }
        held < max
    }

    fn release(&self, key: HeldKey) {
        let mut shard = self.shard(key);
        match shard.get_mut(&key) {
            Some(held) if *held > 1 => *held -= 1,
            _ => drop(shard.remove(&key)),
        }
    }

    fn shard(&self, key: HeldKey) -> MutexGuard<'_, HashMap<HeldKey, usize>> {
        let hash = self.hasher.hash_one(key);
        let index = usize::try_from(hash % SHARDS as u64).expect("few shards");
        let shard = self.shards[index].lock();
        shard.unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        let keys = |shard: &Mutex<HashMap<HeldKey, usize>>| {
            shard.lock().unwrap_or_else(PoisonError::into_inner).len()
        };
        self.shards.iter().map(keys).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::AuthConfig;
    use crate::config::Rate;

    fn admission(change: impl FnOnce(&mut EdgeConfig)) -> (Arc<Admission>, Counts) {
        let mut config = EdgeConfig::new(AuthConfig::Off);
        change(&mut config);
        let counts = Counts::default();
        (Arc::new(Admission::new(&config, &counts)), counts)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn an_address_gets_its_share_and_leaves_the_rest_to_others() {
        let (admission, counts) = admission(|config| {
            config.limits.connections_max = 4;
            config.limits.connections_per_address_max = 2;
        });
        let enter = |text| admission.connection(address(text));
        let first = enter("2001:db8::1").expect("room");
        let second = enter("2001:db8::2:1").expect("room");
        assert_eq!(enter("2001:db8::3").err(), Some(Limit::Address));
        let others = [enter("192.0.2.1"), enter("::ffff:192.0.2.1")];
        assert!(others.iter().all(Result::is_ok));
        assert_eq!(enter("192.0.2.1").err(), Some(Limit::Address));
        assert_eq!(enter("192.0.2.2").err(), Some(Limit::Connections));
        assert_eq!(counts.connections(), 4);
        drop(first);
        drop(second);
        let again = enter("2001:db8::3");
        assert!(again.is_ok(), "both places are free again");
        drop((others, again));
        assert_eq!((counts.connections(), admission.by_address.len()), (0, 0));
    }

    #[test]
    fn a_crowd_is_let_in_at_its_rate_and_one_address_cannot_use_it_up() {
        let slow = |burst| {
            Some(Rate {
                per_second: 1,
                burst,
            })
        };
        let (admission, counts) = admission(|config| {
            config.limits.connect_rate = slow(3);
            config.limits.address_connect_rate = slow(2);
        });
        let enter = |text| admission.connection(address(text)).map(drop);
        assert_eq!(enter("192.0.2.1"), Ok(()));
        assert_eq!(enter("192.0.2.1"), Ok(()));
        for _ in 0..10 {
            assert_eq!(enter("192.0.2.1"), Err(Limit::AddressConnectRate));
        }
        assert_eq!(enter("192.0.2.2"), Ok(()));
        assert_eq!(enter("192.0.2.3"), Err(Limit::ConnectRate));
        assert_eq!(counts.connections(), 0);
    }

    #[test]
    fn this_machine_is_spared_unless_it_is_to_be_limited() {
        for (limited, expected) in [(false, None), (true, Some(Limit::Address))] {
            let (admission, _) = admission(|config| {
                config.limits.connections_per_address_max = 1;
                config.limits.limit_loopback = limited;
            });
            let _first = admission.connection(address("127.0.0.1")).expect("room");
            let second = admission.connection(address("127.0.0.1"));
            assert_eq!(second.err(), expected);
        }
    }

    #[test]
    fn behind_a_proxy_sockets_count_for_the_address_that_it_names() {
        let proxy = address("10.0.0.1");
        let (admission, counts) = admission(|config| {
            config.limits.connections_per_address_max = 1;
            config.trusted_proxies = vec!["10.0.0.0/8".parse().expect("a net")];
        });
        let connections = [(); 3].map(|()| admission.connection(proxy).expect("a proxy"));
        let open = |named: &str| admission.socket(proxy, address(named), None);
        let first = open("192.0.2.1").expect("room");
        assert_eq!(open("192.0.2.1").err(), Some(Limit::AddressSockets));
        let other = open("192.0.2.2");
        assert!(other.is_ok());
        drop((first, other, connections));
        assert_eq!((counts.sockets(), admission.by_address.len()), (0, 0));
    }

    #[test]
    fn a_player_has_so_many_sockets_and_no_more() {
        let (admission, counts) = admission(|config| {
            config.limits.sockets_per_player_max = 2;
            config.limits.sockets_max = 3;
        });
        let here = address("192.0.2.1");
        let open = |player: Option<&str>| {
            let player = player.map(|id| PlayerId::new(id).expect("an id"));
            admission.socket(here, here, player.as_ref())
        };
        let adas = [open(Some("ada")), open(Some("ada"))];
        assert!(adas.iter().all(Result::is_ok));
        assert_eq!(open(Some("ada")).err(), Some(Limit::PlayerSockets));
        let watcher = open(None);
        assert!(watcher.is_ok());
        assert_eq!(open(Some("bob")).err(), Some(Limit::Sockets));
        drop((adas, watcher));
        assert_eq!((counts.sockets(), admission.by_player.len()), (0, 0));
    }

    #[test]
    fn the_refused_are_asked_back_at_different_times() {
        let waits: Vec<_> = Limit::Connections
            .problems(8)
            .map(|problem| problem.retry_after_ms.expect("a hint"))
            .collect();
        assert_eq!(waits.first(), Some(&1_000));
        assert!(waits.windows(2).all(|two| two[0] < two[1]), "{waits:?}");
        for _ in 0..100 {
            let wait = Limit::Sockets.problem().retry_after_ms.expect("a hint");
            assert!((1_000..=5_000).contains(&wait), "{wait}");
        }
    }
}
