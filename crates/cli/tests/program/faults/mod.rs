//! Runs that something breaks under: the API server dies, connections are reset, requests are refused in bursts, the disk is
//! full or read-only. Each time the run goes on by itself or stops with a clear error, and the next one finishes.

mod bursts;
mod connections;
mod disk;
mod restart;
mod stack;
