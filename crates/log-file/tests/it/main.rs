//! The file log on real directories and on a disk that fails on purpose.

mod contract;
mod copy;
mod crash;
mod damage;
mod directory;
mod faults;
mod fixture;
mod inspect;
mod poison;
mod reading;
mod space;
mod spare;
mod support;
