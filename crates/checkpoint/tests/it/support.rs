//! Checkpoints whose content says what it should be.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use huntcore_checkpoint::{
    Checkpoint, CheckpointError, CheckpointOptions, Checkpoints, Damage, Part, Stand,
};
use huntcore_disk::simulated::SimulatedDisk;
use huntcore_model::{Hash32, Sequence, ShardId, Tail, TimeMicros};

pub(crate) const SHARD: ShardId = ShardId::new(0);
pub(crate) const OTHER: ShardId = ShardId::new(1);

pub(crate) fn directory() -> &'static Path {
    Path::new("/data/checkpoints")
}

/// Syncs after every chunk, so that a crash may come between two of them.
pub(crate) fn options() -> CheckpointOptions {
    CheckpointOptions {
        sync_every_bytes: 1,
        free_bytes_min: 0,
    }
}

pub(crate) fn open(disk: &SimulatedDisk) -> Checkpoints {
    Checkpoints::open(Arc::new(disk.clone()), directory(), options()).expect("the disk works")
}

/// What the part `name` of checkpoint `id` holds; `control` takes a few of the disk's sectors.
pub(crate) fn content(name: &str, id: u64) -> Vec<u8> {
    let line = format!("{name} of {id}\n");
    let lines = if name == "control" { 100 } else { 3 };
    line.repeat(lines).into_bytes()
}

pub(crate) fn stand(id: u64) -> Stand {
    let tail = Tail {
        sequence: Sequence::new(id * 10),
        time: TimeMicros::new(id),
        chain: Hash32::new([7; 32]),
    };
    Stand {
        tails: vec![(SHARD, tail)],
        also_reads: vec![(OTHER, Sequence::new(id - 1))],
    }
}

/// The next checkpoint: two parts of its own, a new shared one, and the newest shared one of
/// the checkpoint before.
pub(crate) fn write(checkpoints: &mut Checkpoints) -> Result<Checkpoint, CheckpointError> {
    let newest = checkpoints.good().first();
    let before = newest.and_then(|before| before.parts().iter().rfind(|part| part.is_shared));
    let before = before.cloned();
    let mut draft = checkpoints.begin(TimeMicros::new(1))?;
    let id = draft.id();
    if let Some(before) = before {
        draft.take_over(&before);
    }
    let answers = format!("answers-{id}");
    for (name, is_shared) in [
        (answers.as_str(), true),
        ("control", false),
        ("view", false),
    ] {
        let part = Part {
            name,
            is_shared,
            stand: if is_shared {
                Stand::default()
            } else {
                stand(id)
            },
        };
        draft.part(part, |out| {
            // In bites that fit no chunk.
            content(name, id)
                .chunks(1_000)
                .try_for_each(|bite| out.write_all(bite))
        })?;
    }
    draft.commit()
}

/// Reads all of a checkpoint and holds it against what was written.
pub(crate) fn check(checkpoint: &Checkpoint) -> Result<(), Damage> {
    assert_eq!(checkpoint.time(), TimeMicros::new(1));
    let own = checkpoint.parts().iter().filter(|part| !part.is_shared);
    let names: Vec<_> = own.map(|part| part.name.as_str()).collect();
    assert_eq!(names, ["control", "view"]);
    for part in checkpoint.parts() {
        let expected = content(&part.name, part.origin);
        let mut reader = checkpoint.read(part)?;
        let mut found = Vec::new();
        if let Err(error) = reader.read_to_end(&mut found) {
            let damage = error.into_inner().expect("it says what is wrong");
            return Err(*damage.downcast().expect("a damage"));
        }
        reader.finish()?;
        assert!(found == expected, "{} was misread", part.name);
        if !part.is_shared {
            assert_eq!(part.stand, stand(checkpoint.id()));
        }
    }
    Ok(())
}
