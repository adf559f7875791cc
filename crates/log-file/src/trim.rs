//! Giving up old segments: first the state file forgets them, then they are removed.

use huntcore_log::TrimError;
use huntcore_model::Sequence;

use crate::error::Failure;
use crate::files::segment_path;
use crate::state::State;
use crate::writer::StreamWriter;

impl StreamWriter {
    pub(crate) fn trim(&mut self, before: Sequence) -> Result<(), TrimError> {
        let stream = self.stream.clone();
        let shard = stream.shard;
        if before > self.tail.sequence {
            return Err(TrimError::Ahead {
                shard,
                before,
                next: self.tail.sequence,
            });
        }
        if let Some(poison) = stream.poison.get() {
            return Err(TrimError::Poisoned {
                reason: poison.reason.clone(),
            });
        }
        let home = |reason: String| TrimError::Home {
            shard,
            source: reason.into(),
        };
        let oldest = {
            let published = stream.published();
            let kept = published
                .segments
                .partition_point(|segment| segment.first <= before);
            let oldest = kept.checked_sub(1);
            oldest.map(|index| published.segments[index].first)
        };
        if let Some(oldest) = oldest
            && oldest > self.state.oldest
        {
            let state = State {
                oldest,
                ..self.state
            };
            match state.write(&*stream.disk, &stream.directory, shard) {
                Ok(()) => self.state = state,
                Err(Failure::Full(reason)) => return Err(home(reason)),
                Err(Failure::Doubt { file, reason }) => {
                    return Err(TrimError::Poisoned {
                        reason: self.poison(file, reason).reason.clone(),
                    });
                }
            }
            let mut published = stream.published();
            while published
                .segments
                .front()
                .is_some_and(|segment| segment.first < oldest)
            {
                if let Some(segment) = published.segments.pop_front() {
                    self.trimmed
                        .push(segment_path(&stream.directory, segment.first));
                }
            }
        }
        self.remove_trimmed().map_err(home)
    }

    /// Gives back the space of what was trimmed. The state file no longer names it.
    fn remove_trimmed(&mut self) -> Result<(), String> {
        if self.trimmed.is_empty() {
            return Ok(());
        }
        let disk = &*self.stream.disk;
        let mut failed = None;
        self.trimmed.retain(|path| match disk.remove(path) {
            Ok(()) => false,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
            Err(error) => {
                failed = Some(format!("failed to remove {}: {error}", path.display()));
                true
            }
        });
        if let Some(reason) = failed {
            return Err(reason);
        }
        disk.sync_directory(&self.stream.directory)
            .map_err(|error| {
                format!(
                    "failed to sync {}: {error}",
                    self.stream.directory.display()
                )
            })
    }
}
