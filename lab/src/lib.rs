//! The test lab: what fault-trace is held against. The programs in `bin/` take page faults whose
//! number, place and class they know; [`synthetic`] makes recordings of any size up, and [`world`] a
//! machine whose faults go through the whole pipeline.

pub mod synthetic;
pub mod world;
