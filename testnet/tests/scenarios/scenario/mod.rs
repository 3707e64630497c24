mod bytes;
mod checkpoint;
mod disk;
mod epochs;
mod faults;
mod files;
mod happy;
mod refusals;
