//! Who asks, as browsers and proxies tell it: origins, hosts and client addresses.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderValue, header};
use ipnet::IpNet;

/// A web origin: `scheme://host[:port]`, lower case, default port left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    scheme: String,
    authority: String,
}

impl Origin {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let plain = |byte: u8| byte.is_ascii_graphic() && !b"/?#@\\".contains(&byte);
        let letters = !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphabetic());
        if !letters || authority.is_empty() || !authority.bytes().all(plain) {
            return None;
        }
        let scheme = scheme.to_ascii_lowercase();
        let authority = without_default_port(&scheme, &authority.to_ascii_lowercase());
        Some(Self { scheme, authority })
    }

    /// Whether a page of this origin and the host it now asks are one site.
    ///
    /// The scheme is the origin's own: a proxy may have ended its TLS.
    fn is_host(&self, host: &str) -> bool {
        without_default_port(&self.scheme, &host.to_ascii_lowercase()) == self.authority
    }
}

fn without_default_port(scheme: &str, authority: &str) -> String {
    let port = match scheme {
        "http" | "ws" => ":80",
        "https" | "wss" => ":443",
        _ => return authority.to_owned(),
    };
    authority.strip_suffix(port).unwrap_or(authority).to_owned()
}

/// Which origins a door is open to besides its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct OriginList {
    any: bool,
    origins: Vec<Origin>,
}

impl OriginList {
    pub(crate) fn new(texts: &[String]) -> Self {
        Self {
            any: texts.iter().any(|text| text == "*"),
            origins: texts
                .iter()
                .filter_map(|text| Origin::parse(text))
                .collect(),
        }
    }

    /// Whether it is one of these, however it was spelt in the settings.
    pub(crate) fn lists(&self, origin: &HeaderValue) -> bool {
        let origin = origin.to_str().ok().and_then(Origin::parse);
        origin.is_some_and(|origin| self.origins.contains(&origin))
    }

    /// Whether a request may come from the page that it says it comes from. Programs say
    /// nothing of a page, and are let in: they could say anything.
    pub(crate) fn admits(&self, headers: &HeaderMap, host: Option<&str>) -> bool {
        let Some(origin) = headers.get(header::ORIGIN) else {
            return true;
        };
        let Some(origin) = origin.to_str().ok().and_then(Origin::parse) else {
            return self.any;
        };
        self.any || self.origins.contains(&origin) || host.is_some_and(|host| origin.is_host(host))
    }
}

/// The peer of a request: the nearest one that is no trusted proxy.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// Whose request it is.
    pub(crate) address: IpAddr,
    /// The host that it asked for, as the nearest trusted proxy saw it.
    pub(crate) host: Option<String>,
}

impl Peer {
    pub(crate) fn of(headers: &HeaderMap, socket: SocketAddr, trusted: &[IpNet]) -> Self {
        let is_trusted = |address: IpAddr| trusted.iter().any(|net| net.contains(&address));
        let connected = socket.ip().to_canonical();
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let own_host = text("host").map(str::to_owned);
        if !is_trusted(connected) {
            return Self {
                address: connected,
                host: own_host,
            };
        }
        // The last address was added by the nearest proxy; walk back to the first stranger.
        let chain = headers
            .get_all("x-forwarded-for")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(|hop| hop.trim().parse::<IpAddr>().map(|hop| hop.to_canonical()))
            .collect::<Vec<_>>();
        let mut address = connected;
        for hop in chain.into_iter().rev() {
            // What stands before an unreadable hop was written by nobody we trust.
            let Ok(hop) = hop else { break };
            address = hop;
            if !is_trusted(hop) {
                break;
            }
        }
        Self {
            address,
            host: text("x-forwarded-host").map(str::to_owned).or(own_host),
        }
    }
}

/// An address as limits count it: a single IPv6 subscriber has 2^64 of them, which are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct AddressKey(u64);

impl AddressKey {
    pub(crate) fn of(address: IpAddr) -> Self {
        // No IPv6 network that is in use has a number as small as an IPv4 address.
        Self(match address.to_canonical() {
            IpAddr::V4(address) => address.to_bits().into(),
            IpAddr::V6(address) => {
                u64::try_from(address.to_bits() >> 64).expect("64 bits are left")
            }
        })
    }

    /// It as a number, which no other key has.
    pub(crate) const fn number(self) -> u64 {
        self.0
    }
}

/// Whether a `Host` names this machine to itself, whatever a name server may say.
pub(crate) fn is_loopback_host(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.split(':').next().unwrap_or(host),
    };
    name.eq_ignore_ascii_case("localhost")
        || name
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for &(name, value) in pairs {
            map.append(name, HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn an_origin_is_scheme_and_authority() {
        assert_eq!(
            Origin::parse("https://A.example:443"),
            Origin::parse("HTTPS://a.example")
        );
        assert_ne!(
            Origin::parse("http://a.example:443"),
            Origin::parse("http://a.example")
        );
        for bad in [
            "",
            "null",
            "a.example",
            "https://",
            "https://a/b",
            "https://u@a",
            "://a",
        ] {
            assert_eq!(Origin::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_door_admits_its_own_pages_its_list_and_programs() {
        let list = OriginList::new(&["https://game.example".to_owned()]);
        let host = Some("hunt.example");
        let from = |origin| headers(&[("origin", origin)]);
        assert!(list.admits(&HeaderMap::new(), host));
        assert!(list.admits(&from("https://hunt.example"), host));
        assert!(list.admits(&from("https://hunt.example:443"), host));
        assert!(list.admits(&from("https://game.example"), host));
        for stranger in [
            "https://evil.example",
            "null",
            "https://hunt.example.evil.example",
        ] {
            assert!(!list.admits(&from(stranger), host), "{stranger}");
        }
        let spelt = OriginList::new(&["HTTPS://Game.example:443".to_owned()]);
        assert!(spelt.lists(&HeaderValue::from_static("https://game.example")));
        assert!(!spelt.lists(&HeaderValue::from_static("https://hunt.example")));
        assert!(OriginList::new(&["*".to_owned()]).admits(&from("null"), host));
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().expect("a net")];
        let sent = headers(&[
            ("host", "inner"),
            ("x-forwarded-host", "outer"),
            ("x-forwarded-for", "6.6.6.6, 1.2.3.4, 10.0.0.9"),
        ]);
        let stranger = Peer::of(&sent, "9.9.9.9:1".parse().expect("an address"), &trusted);
        assert_eq!(
            stranger.address,
            "9.9.9.9".parse::<IpAddr>().expect("an address")
        );
        assert_eq!(stranger.host.as_deref(), Some("inner"));
        let proxied = Peer::of(&sent, "10.0.0.1:1".parse().expect("an address"), &trusted);
        assert_eq!(
            proxied.address,
            "1.2.3.4".parse::<IpAddr>().expect("an address")
        );
        assert_eq!(proxied.host.as_deref(), Some("outer"));
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address() {
        let key = |text: &str| AddressKey::of(text.parse().expect("an address"));
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_eq!(key("192.0.2.1"), key("::ffff:192.0.2.1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
    }

    #[test]
    fn loopback_goes_by_few_names() {
        for good in [
            "localhost",
            "LOCALHOST:7070",
            "127.0.0.1:1",
            "[::1]:7070",
            "127.9.9.9",
        ] {
            assert!(is_loopback_host(good), "{good}");
        }
        for bad in ["evil.example", "localhost.evil.example", "[::2]", ""] {
            assert!(!is_loopback_host(bad), "{bad}");
        }
    }
}
