//! Keys that the program makes or reads.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use huntcore_map::FairnessKey;

const FAIRNESS_FILE: &str = "fairness.key";

/// A fairness key from 64 hex digits.
pub(crate) fn fairness(text: &str) -> Result<FairnessKey, String> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text.trim(), &mut bytes)
        .map_err(|_| "is not 64 hex digits (32 bytes)".to_owned())?;
    Ok(FairnessKey::new(bytes))
}

/// The fairness key kept in a data directory; made there the first time.
pub(crate) fn kept_fairness(data: &Path) -> Result<FairnessKey, String> {
    let text = kept(data, FAIRNESS_FILE)?;
    fairness(&text).map_err(|reason| format!("{} {reason}", data.join(FAIRNESS_FILE).display()))
}

/// The fairness key kept in a data directory; `None` if none was made there yet.
pub(crate) fn read_fairness(data: &Path) -> Result<Option<FairnessKey>, String> {
    let path = data.join(FAIRNESS_FILE);
    match std::fs::read_to_string(&path) {
        Ok(text) => fairness(&text)
            .map(Some)
            .map_err(|reason| format!("{} {reason}", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("cannot read {}: {error}", path.display())),
    }
}

/// A key kept in a data directory under `name`; made there the first time.
pub(crate) fn kept(data: &Path, name: &str) -> Result<String, String> {
    let path = data.join(name);
    match std::fs::read_to_string(&path) {
        Ok(text) => return Ok(text.trim().to_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
    }
    let text = random_hex()?;
    let make = || -> std::io::Result<()> {
        std::fs::create_dir_all(data)?;
        let mut options = std::fs::OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        writeln!(file, "{text}")?;
        // What it signs or seeds outlives this process: it must be as durable.
        file.sync_all()?;
        std::fs::File::open(data)?.sync_all()
    };
    make().map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    Ok(text)
}

/// 32 random bytes in hex.
fn random_hex() -> Result<String, String> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| format!("the system gave no randomness: {error}"))?;
    Ok(hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_key_is_made_once_and_only_its_owner_may_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = folder.path().join("data");
        let path = data.join(FAIRNESS_FILE);
        kept_fairness(&data).expect("made");
        let first = std::fs::read_to_string(&path).expect("kept");
        kept_fairness(&data).expect("read");
        assert_eq!(std::fs::read_to_string(&path).expect("kept"), first);
        let mode = std::fs::metadata(&path)
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_key_is_refused_by_name() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join(FAIRNESS_FILE), "oops").expect("written");
        let error = kept_fairness(folder.path()).expect_err("not a key");
        assert!(error.contains(FAIRNESS_FILE), "{error}");
    }
}
