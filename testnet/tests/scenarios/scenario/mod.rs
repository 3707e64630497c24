mod bytes;
mod disk;
mod epochs;
mod faults;
mod happy;
mod refusals;
