//! The short way that most packets go skips no check. Each test first sends what goes that way often enough that programs
//! have learnt all they can, then the packet that must not go with it.

mod flows;
mod free;
mod talk;
