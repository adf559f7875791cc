//! Ready bodies of immutable resources, so that a million cells are written out once and
//! not for each of ten thousand clients that want them in the same second.

use std::collections::VecDeque;

use bytes::Bytes;
use tokio::sync::Mutex;

use crate::problem::Refusal;

/// A bounded cache; the oldest body goes first.
pub(crate) struct Bodies {
    kept: Mutex<Kept>,
    bytes_max: usize,
}

#[derive(Default)]
struct Kept {
    bodies: VecDeque<(String, Bytes)>,
    bytes: usize,
}

impl Bodies {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            kept: Mutex::default(),
            bytes_max,
        }
    }

    /// The body of that name; made by `make` if it is not there.
    ///
    /// One body is made at a time: those who wait want the same one, most of the time, and
    /// the others would only add to the memory held.
    pub(crate) async fn get(
        &self,
        name: &str,
        make: impl Future<Output = Result<Bytes, Refusal>>,
    ) -> Result<Bytes, Refusal> {
        let mut kept = self.kept.lock().await;
        if let Some((_, body)) = kept.bodies.iter().find(|(known, _)| known == name) {
            return Ok(body.clone());
        }
        let body = make.await?;
        if body.len() <= self.bytes_max {
            kept.bytes += body.len();
            kept.bodies.push_back((name.to_owned(), body.clone()));
            while kept.bytes > self.bytes_max {
                let (_, oldest) = kept.bodies.pop_front().expect("bytes are counted");
                kept.bytes -= oldest.len();
            }
        }
        Ok(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn get(bodies: &Bodies, name: &str, made: &mut u32) -> Bytes {
        let make = async {
            *made += 1;
            Ok(Bytes::from(vec![0; 40]))
        };
        bodies.get(name, make).await.expect("made")
    }

    #[tokio::test]
    async fn a_body_is_made_once_and_the_oldest_goes_first() {
        let bodies = Bodies::new(100);
        let mut made = 0;
        for name in ["a", "b", "a", "b"] {
            get(&bodies, name, &mut made).await;
        }
        assert_eq!(made, 2);
        get(&bodies, "c", &mut made).await;
        get(&bodies, "b", &mut made).await;
        assert_eq!(made, 3);
        get(&bodies, "a", &mut made).await;
        assert_eq!(made, 4);
        assert!(bodies.kept.lock().await.bytes <= 100);
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_not_kept() {
        let bodies = Bodies::new(10);
        let mut made = 0;
        get(&bodies, "a", &mut made).await;
        get(&bodies, "a", &mut made).await;
        assert_eq!(made, 2);
    }
}
