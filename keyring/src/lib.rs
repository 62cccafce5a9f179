//! WireGuard keys of a node: types, store on disk, the two planes, what a node publishes
