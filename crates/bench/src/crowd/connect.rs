//! Opening many connections from one machine to itself.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{EncodingKey, Header};
use serde::Serialize;
use socket2::{Domain, Protocol, Socket, Type};

use crate::report::BenchError;

/// Loopback addresses that connections come from: each has some 28,000 ports.
const SOURCES: u8 = 8;
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
const TOKEN_LIFETIME_S: u64 = 24 * 3_600;

/// Who is at the other end.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Peer<'a> {
    /// Nobody asks who comes.
    Plain,
    /// A hunt's live socket.
    Live {
        /// The hunt's public name.
        hunt: &'a str,
        /// Signs the players' tokens.
        player_key: &'a str,
    },
}

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    exp: u64,
}

/// A player's token.
pub(crate) fn sign_token(player: &str, player_key: &str) -> Result<String, BenchError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let claims = Claims {
        sub: player,
        exp: now.unwrap_or_default().as_secs() + TOKEN_LIFETIME_S,
    };
    let key = EncodingKey::from_secret(player_key.as_bytes());
    jsonwebtoken::encode(&Header::default(), &claims, &key).map_err(BenchError::huntcore)
}

/// The connection of that index, ready to speak.
pub(super) fn connect(
    address: SocketAddr,
    index: u32,
    peer: Peer<'_>,
    player: &str,
) -> Result<TcpStream, BenchError> {
    let io = BenchError::io("connect");
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).map_err(&io)?;
    let source = u8::try_from(index % u32::from(SOURCES)).expect("below a u8") + 1;
    let source = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, source)), 0);
    socket.bind(&source.into()).map_err(&io)?;
    socket.connect(&address.into()).map_err(&io)?;
    let mut stream = TcpStream::from(socket);
    stream.set_nodelay(true).map_err(&io)?;
    if let Peer::Live { hunt, player_key } = peer {
        stream.set_read_timeout(Some(ANSWER_WITHIN)).map_err(&io)?;
        let token = sign_token(player, player_key)?;
        write!(
            stream,
            "GET /v1/hunts/{hunt}/live HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: aHVudGNvcmUtYmVuY2gtMQ==\r\n\
             Sec-WebSocket-Protocol: huntcore.v1.json\r\nAuthorization: Bearer {token}\r\n\r\n"
        )
        .map_err(&io)?;
        read_switch(&mut stream)?;
    }
    stream.set_nonblocking(true).map_err(&io)?;
    Ok(stream)
}

/// Reads the answer to a handshake, and not a byte more: a frame may follow at once.
fn read_switch(stream: &mut TcpStream) -> Result<(), BenchError> {
    let mut answer = Vec::with_capacity(512);
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") && answer.len() < 4_096 {
        stream
            .read_exact(&mut byte)
            .map_err(BenchError::io("read a handshake's answer"))?;
        answer.push(byte[0]);
    }
    if answer.starts_with(b"HTTP/1.1 101 ") {
        return Ok(());
    }
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.lines().next().unwrap_or_default();
    Err(BenchError::Huntcore(format!(
        "a handshake was answered {status:?}"
    )))
}
