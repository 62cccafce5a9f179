//! Types that the eBPF programs and the agent share: map keys and values, the mark, reasons and counters
#![no_std]
