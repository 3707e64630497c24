mod bytes;
mod checkpoint;
mod disk;
mod epochs;
mod faults;
mod happy;
mod refusals;
