//! Threads for what blocks. One is always there, so that files can be used even where no more threads can be made; the
//! others come when they are needed and go when there is nothing to do.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::failure::{Code, Failure};

const MOST_THREADS: usize = 32;
const MOST_WAITING: usize = 1024;
const THREAD_STACK: usize = 256 * 1024;
const IDLE_THREAD: Duration = Duration::from_secs(2);
/// How long a thread that is there is waited for, when no other can be made.
const PATIENCE: Duration = Duration::from_secs(1);

type Job = Box<dyn FnOnce() + Send>;

struct Pool {
    jobs: VecDeque<Job>,
    /// Threads that wait for a job.
    idle: usize,
    threads: usize,
}

static POOL: Mutex<Pool> = Mutex::new(Pool { jobs: VecDeque::new(), idle: 0, threads: 0 });
static WORK: Condvar = Condvar::new();

fn lock() -> MutexGuard<'static, Pool> {
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes the thread that stays.
pub fn start() -> io::Result<()> {
    add_thread(&mut lock(), true)
}

/// Runs what may block. The answer never comes when it panics.
pub async fn run<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<oneshot::Receiver<T>, Failure> {
    let (tell, told) = oneshot::channel();
    let (begin, begun) = oneshot::channel();
    // Set by whoever comes first: the thread that begins, or who doesn't wait for it any longer.
    let decided = Arc::new(AtomicBool::new(false));
    let job = {
        let decided = decided.clone();
        move || {
            if !decided.swap(true, Ordering::Relaxed) {
                let _ = begin.send(());
                drop(tell.send(work()));
            }
        }
    };
    let is_sure = enqueue(Box::new(job))?;
    if !is_sure && timeout(PATIENCE, begun).await.is_err() && !decided.swap(true, Ordering::Relaxed) {
        return Err(exhausted());
    }
    Ok(told)
}

fn exhausted() -> Failure {
    Failure::new(Code::Exhausted, "There are no more threads for this.")
}

/// Whether there is, or will be, a thread for it; otherwise one that is there has to become free.
fn enqueue(job: Job) -> Result<bool, Failure> {
    let mut pool = lock();
    let mut is_sure = true;
    if pool.idle <= pool.jobs.len() {
        if pool.jobs.len() >= MOST_WAITING {
            return Err(exhausted());
        }
        if pool.threads < MOST_THREADS {
            is_sure = add_thread(&mut pool, false).is_ok();
        }
    }
    pool.jobs.push_back(job);
    WORK.notify_one();
    Ok(is_sure)
}

/// Runs what may block, and waits for it.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    run(work).await?.await.unwrap_or_else(|_| Err(Failure::new(Code::Io, "The work on it broke off.")))
}

fn add_thread(pool: &mut Pool, stays: bool) -> io::Result<()> {
    thread::Builder::new().stack_size(THREAD_STACK).spawn(move || work(stays))?;
    pool.threads += 1;
    Ok(())
}

fn work(stays: bool) {
    let mut pool = lock();
    loop {
        if let Some(job) = pool.jobs.pop_front() {
            drop(pool);
            let _ = catch_unwind(AssertUnwindSafe(job));
            pool = lock();
            continue;
        }
        pool.idle += 1;
        let is_over;
        (pool, is_over) = if stays {
            (WORK.wait(pool).unwrap_or_else(PoisonError::into_inner), false)
        } else {
            let (pool, waited) = WORK.wait_timeout(pool, IDLE_THREAD).unwrap_or_else(PoisonError::into_inner);
            (pool, waited.timed_out())
        };
        pool.idle -= 1;
        if is_over && pool.jobs.is_empty() {
            pool.threads -= 1;
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_is_done_at_once_by_as_many_as_there_may_be_and_survives_a_panic() {
        let (go, _) = tokio::sync::broadcast::channel::<()>(1);
        let mut waiting = vec![];
        for i in 0..MOST_THREADS {
            let mut go = go.subscribe();
            waiting.push(run(move || go.blocking_recv().map(|()| i)).await.unwrap());
        }
        let later = run(|| 99).await.unwrap();
        go.send(()).unwrap();
        for (i, told) in waiting.into_iter().enumerate() {
            assert_eq!(told.await.unwrap(), Ok(i));
        }
        assert_eq!(later.await.unwrap(), 99);
        assert!(run(|| panic!("on purpose")).await.unwrap().await.is_err());
        assert_eq!(run(|| 1).await.unwrap().await.unwrap(), 1);
    }
}
