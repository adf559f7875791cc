//! What a trail says, and what its proof finds.

mod trail;
