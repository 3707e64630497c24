mod bytes;
mod faults;
mod happy;
mod refusals;
