//! Turns results into text or bytes.

pub mod doctor;
