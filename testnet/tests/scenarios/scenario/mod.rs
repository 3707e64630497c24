mod bytes;
mod epochs;
mod faults;
mod happy;
mod refusals;
