//! `flotilla demo`.
