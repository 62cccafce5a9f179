//! The agent, the CLI and the CNI plugin, in one binary
