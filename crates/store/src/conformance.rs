//! The suite that every database must pass: one function per promise.
