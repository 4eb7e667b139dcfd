//! Bytes that may be taken and are given back, and taken beyond the limit where waiting is not possible.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;

/// A bound in bytes. First come, first served.
pub(super) struct Budget {
    free: Semaphore,
    /// What was taken although it was not free; what is given back pays it first.
    debt: AtomicUsize,
    total: usize,
}

impl Budget {
    pub(super) fn new(total: usize) -> Self {
        let total = total.min(u32::MAX as usize);
        Self { free: Semaphore::new(total), debt: AtomicUsize::new(0), total }
    }

    pub(super) fn total(&self) -> usize {
        self.total
    }

    /// Takes `bytes` (at most the total) if they are free and nobody waits.
    pub(super) fn try_take(&self, bytes: usize) -> bool {
        match self.free.try_acquire_many(bytes as u32) {
            Ok(permit) => {
                permit.forget();
                true
            }
            Err(_) => false,
        }
    }

    /// Waits until `bytes` (at most the total) are free and takes them.
    pub(super) async fn take(&self, bytes: usize) {
        if let Ok(permit) = self.free.acquire_many(bytes as u32).await {
            permit.forget();
        }
    }

    /// Takes `bytes` at once, free or not.
    pub(super) fn overdraw(&self, bytes: usize) {
        let taken = self.free.forget_permits(bytes);
        if taken < bytes {
            self.debt.fetch_add(bytes - taken, Ordering::Relaxed);
        }
    }

    /// Gives `bytes` back.
    pub(super) fn give(&self, bytes: usize) {
        if bytes == 0 {
            return;
        }
        let mut paid = 0;
        let settle = |debt: usize| {
            paid = debt.min(bytes);
            Some(debt - paid)
        };
        if self.debt.fetch_update(Ordering::Relaxed, Ordering::Relaxed, settle).is_err() {
            paid = 0;
        }
        self.free.add_permits(bytes - paid);
    }

    #[cfg(test)]
    pub(super) fn available(&self) -> usize {
        self.free.available_permits()
    }
}
