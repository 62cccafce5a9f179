mod decoding;
mod fake;
mod following;
mod lines;
mod writing;
