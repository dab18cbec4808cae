// A disk that can lose its power, preloaded into a process (LD_PRELOAD). Writes to the files below DISK_FOLDER reach them at once,
// as they would reach the page cache; what they overwrote is kept aside until an fsync of the file. A byte written into the FIFO
// at DISK_LOSES takes the power away: of the writes that no fsync came behind, some are kept, some are torn and the others are undone,
// as DISK_SEED draws; files that were made and whose folder was not synced are gone; and the process ends by SIGKILL.
//   DISK_KEEPS    of 100 unsynced writes, so many reach the disk all the same; 0: none
//   DISK_FAILS    a file: while it is there, each write fails with the error whose number it holds
//   DISK_HOLDS    a file: while it is there, no fsync ends
//   DISK_SLOW_US  each fsync takes so many microseconds longer, of any file
// Not covered: renames and removals take effect at once, and writes through mmap are not seen (SQLite's -shm, which it makes anew).
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

// What a write overwrote: `old` is all that was there of `length` bytes from `offset` on, and the file was `size` long.
struct undo {
  struct undo *before;
  dev_t dev;
  ino_t ino;
  off_t offset, size;
  size_t length, held;
  char *old;
};

// A file that was made, until its folder is synced.
struct made {
  struct made *next;
  dev_t dev;
  ino_t ino;
  char path[PATH_MAX];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct undo *last;
static struct made *newest;
static char folder[PATH_MAX];
static uint64_t dice;
static int keeps;
static char fails[PATH_MAX], holds[PATH_MAX];
static useconds_t slow_us;

#define REAL(name) ((__typeof__(name) *)dlsym(RTLD_NEXT, #name))

static unsigned draw(unsigned of) {
  dice ^= dice << 13;
  dice ^= dice >> 7;
  dice ^= dice << 17;
  return (unsigned)(dice % of);
}

static void fail(const char *what) {
  dprintf(2, "disk: %s: %s\n", what, strerror(errno));
  _exit(99);
}

static int is_below(const char *path) {
  size_t length = strlen(folder);
  return length > 0 && strncmp(path, folder, length) == 0 && path[length] == '/';
}

// Whether the descriptor is of a file below the folder; its path and state then.
static int is_ours(int fd, char *path, struct stat *state) {
  char link[64];
  int saved = errno;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, PATH_MAX - 1);
  int ours = 0;
  if (length > 0) {
    path[length] = 0;
    ours = is_below(path) && !strstr(path, ".lock") && !strstr(path, "-shm") && fstat(fd, state) == 0 && S_ISREG(state->st_mode);
  }
  errno = saved;
  return ours;
}

// Called under the lock, before the file changes between `offset` and `offset + length`; `length` to its end where it is cut off.
static void remember(int fd, const struct stat *state, off_t offset, size_t length) {
  struct undo *undo = malloc(sizeof *undo);
  if (!undo) fail("malloc");
  *undo = (struct undo){last, state->st_dev, state->st_ino, offset, state->st_size, length, 0, NULL};
  if (offset < state->st_size) {
    size_t there = (size_t)(state->st_size - offset);
    undo->held = there < length ? there : length;
    undo->old = malloc(undo->held);
    if (!undo->old) fail("malloc");
    ssize_t got = pread(fd, undo->old, undo->held, offset);
    if (got < 0 && errno == EBADF) {
      // Open for writing only. A second descriptor would release SQLite's locks as it is closed, but its own can be read.
      char link[64];
      snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
      int reader = REAL(open)(link, O_RDONLY | O_CLOEXEC);
      got = pread(reader, undo->old, undo->held, offset);
      REAL(close)(reader);
    }
    if (got != (ssize_t)undo->held) fail("remember");
  }
  last = undo;
}

// What is synced is not undone any more.
static void forget(dev_t dev, ino_t ino) {
  for (struct undo **at = &last; *at;) {
    struct undo *undo = *at;
    if (undo->dev == dev && undo->ino == ino) {
      *at = undo->before;
      free(undo->old);
      free(undo);
    } else {
      at = &undo->before;
    }
  }
}

static struct made *made_as(dev_t dev, ino_t ino) {
  for (struct made *made = newest; made; made = made->next) {
    if (made->dev == dev && made->ino == ino) return made;
  }
  return NULL;
}

static void folder_synced(const char *path) {
  size_t length = strlen(path);
  for (struct made **at = &newest; *at;) {
    struct made *made = *at;
    if (strncmp(made->path, path, length) == 0 && made->path[length] == '/' && !strchr(made->path + length + 1, '/')) {
      *at = made->next;
      free(made);
    } else {
      at = &made->next;
    }
  }
}

// Opens a file of which only the inode is known: this process has it open, or has closed it.
static int reopen(dev_t dev, ino_t ino) {
  for (int fd = 0; fd < 1024; fd += 1) {
    struct stat state;
    if (fstat(fd, &state) != 0 || state.st_dev != dev || state.st_ino != ino) continue;
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int writer = REAL(open)(link, O_WRONLY | O_CLOEXEC);
    if (writer >= 0) return writer;
  }
  return -1;
}

static void lose_power(void) {
  unsigned undone = 0, kept = 0, torn = 0, gone = 0;
  for (struct undo *undo = last; undo; undo = undo->before) {
    int fd = reopen(undo->dev, undo->ino);
    if (fd < 0) continue; // removed meanwhile
    if ((int)draw(100) < keeps) {
      // A quarter of what is kept is torn: its second half is not there.
      size_t half = undo->length / 2;
      if (draw(4) != 0 || half == 0) {
        kept += 1;
      } else {
        torn += 1;
        if (undo->held > half && REAL(pwrite)(fd, undo->old + half, undo->held - half, undo->offset + (off_t)half) < 0) fail("tear");
        off_t end = undo->offset + (off_t)half;
        if (undo->size > end) end = undo->size;
        if (REAL(ftruncate)(fd, end) != 0) fail("tear");
      }
    } else {
      undone += 1;
      if (undo->held > 0 && REAL(pwrite)(fd, undo->old, undo->held, undo->offset) != (ssize_t)undo->held) fail("undo");
      if (REAL(ftruncate)(fd, undo->size) != 0) fail("undo");
    }
    REAL(close)(fd);
  }
  for (struct made *made = newest; made; made = made->next) {
    if ((int)draw(100) >= keeps && unlink(made->path) == 0) gone += 1;
  }
  dprintf(2, "disk: power lost: %u writes undone, %u kept, %u torn, %u files gone\n", undone, kept, torn, gone);
  kill(getpid(), SIGKILL);
}

static void *wait_for_loss(void *path) {
  char byte;
  int fifo = REAL(open)(path, O_RDONLY | O_CLOEXEC);
  if (fifo < 0) fail("DISK_LOSES");
  while (read(fifo, &byte, 1) != 1) usleep(1000);
  pthread_mutex_lock(&lock); // no write is under way from here on
  lose_power();
  return NULL;
}

__attribute__((constructor)) static void begin(void) {
  const char *below = getenv("DISK_FOLDER"), *fifo = getenv("DISK_LOSES"), *seed = getenv("DISK_SEED");
  if (getenv("DISK_SLOW_US")) slow_us = (useconds_t)atol(getenv("DISK_SLOW_US"));
  if (!below || !realpath(below, folder)) return;
  dice = seed ? strtoull(seed, NULL, 10) * 2654435761u + 1 : 1;
  keeps = getenv("DISK_KEEPS") ? atoi(getenv("DISK_KEEPS")) : 0;
  if (getenv("DISK_HOLDS")) strncpy(holds, getenv("DISK_HOLDS"), PATH_MAX - 1);
  if (getenv("DISK_FAILS")) strncpy(fails, getenv("DISK_FAILS"), PATH_MAX - 1);
  pthread_t thread;
  if (fifo && pthread_create(&thread, NULL, wait_for_loss, strdup(fifo)) != 0) fail("thread");
}

static void note_made(int fd) {
  char path[PATH_MAX];
  struct stat state;
  if (fd < 0 || !is_ours(fd, path, &state)) return;
  struct made *made = malloc(sizeof *made);
  if (!made) fail("malloc");
  *made = (struct made){newest, state.st_dev, state.st_ino, ""};
  strcpy(made->path, path);
  newest = made;
}

#define OPEN(name)                                                   \
  int name(const char *path, int flags, ...) {                       \
    va_list rest;                                                    \
    va_start(rest, flags);                                           \
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0; \
    va_end(rest);                                                    \
    if (!(flags & O_CREAT)) return REAL(name)(path, flags, mode);    \
    pthread_mutex_lock(&lock);                                       \
    int is_new = access(path, F_OK) != 0;                            \
    int fd = REAL(name)(path, flags, mode);                          \
    int saved = errno;                                               \
    if (is_new) note_made(fd);                                       \
    errno = saved;                                                   \
    pthread_mutex_unlock(&lock);                                     \
    return fd;                                                       \
  }
OPEN(open)
OPEN(open64)

// The error that each write fails with for now; 0: none.
static int failure(void) {
  char text[16] = "";
  int fd = fails[0] ? REAL(open)(fails, O_RDONLY | O_CLOEXEC) : -1;
  if (fd < 0) return 0;
  if (read(fd, text, sizeof text - 1) < 0) fail("read");
  REAL(close)(fd);
  return atoi(text);
}

// The body of a call that changes the file `fd` from `offset` on, by `length` bytes.
#define CHANGING(offset_of, length_of, call)         \
  char path[PATH_MAX];                               \
  struct stat state;                                 \
  if (!is_ours(fd, path, &state)) return call;       \
  int error = failure();                             \
  if (error) {                                       \
    errno = error;                                   \
    return -1;                                       \
  }                                                  \
  pthread_mutex_lock(&lock);                         \
  if (fstat(fd, &state) != 0) fail("fstat");         \
  remember(fd, &state, offset_of, length_of);        \
  __auto_type result = call;                         \
  int saved = errno;                                 \
  pthread_mutex_unlock(&lock);                       \
  errno = saved;                                     \
  return result;

static off_t place(int fd, const struct stat *state) {
  return (fcntl(fd, F_GETFL) & O_APPEND) ? state->st_size : lseek(fd, 0, SEEK_CUR);
}

static size_t bytes_of(const struct iovec *parts, int count) {
  size_t bytes = 0;
  for (int at = 0; at < count; at += 1) bytes += parts[at].iov_len;
  return bytes;
}

ssize_t write(int fd, const void *data, size_t length) {
  CHANGING(place(fd, &state), length, REAL(write)(fd, data, length))
}
ssize_t writev(int fd, const struct iovec *parts, int count) {
  CHANGING(place(fd, &state), bytes_of(parts, count), REAL(writev)(fd, parts, count))
}
ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) {
  CHANGING(offset, length, REAL(pwrite)(fd, data, length, offset))
}
ssize_t pwrite64(int fd, const void *data, size_t length, off_t offset) {
  CHANGING(offset, length, REAL(pwrite64)(fd, data, length, offset))
}
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
  CHANGING(offset, bytes_of(parts, count), REAL(pwritev)(fd, parts, count, offset))
}
int ftruncate(int fd, off_t size) {
  CHANGING(size, state.st_size > size ? (size_t)(state.st_size - size) : 0, REAL(ftruncate)(fd, size))
}
int ftruncate64(int fd, off_t size) {
  CHANGING(size, state.st_size > size ? (size_t)(state.st_size - size) : 0, REAL(ftruncate64)(fd, size))
}

// What was written before the call is on disk behind it; a write that comes during it may not be.
static int sync_with(int fd, int (*real)(int)) {
  char path[PATH_MAX];
  struct stat state;
  int ours = is_ours(fd, path, &state);
  if (slow_us > 0) usleep(slow_us);
  while (holds[0] && access(holds, F_OK) == 0) usleep(1000);
  pthread_mutex_lock(&lock);
  int result = real(fd);
  int saved = errno;
  if (result == 0 && ours) {
    forget(state.st_dev, state.st_ino);
  } else if (result == 0 && fstat(fd, &state) == 0 && S_ISDIR(state.st_mode)) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length > 0) {
      path[length] = 0;
      folder_synced(path);
    }
  }
  pthread_mutex_unlock(&lock);
  errno = saved;
  return result;
}
int fsync(int fd) { return sync_with(fd, REAL(fsync)); }
int fdatasync(int fd) { return sync_with(fd, REAL(fdatasync)); }

// Undone are writes of files that are open; one that is closed before it is synced would escape, so its descriptor is kept.
int close(int fd) {
  char path[PATH_MAX];
  struct stat state;
  if (!is_ours(fd, path, &state)) return REAL(close)(fd);
  pthread_mutex_lock(&lock);
  int is_unsynced = made_as(state.st_dev, state.st_ino) != NULL;
  for (struct undo *undo = last; undo && !is_unsynced; undo = undo->before) {
    is_unsynced = undo->dev == state.st_dev && undo->ino == state.st_ino;
  }
  if (is_unsynced) fcntl(fd, F_DUPFD_CLOEXEC, 512);
  int result = REAL(close)(fd);
  pthread_mutex_unlock(&lock);
  return result;
}
