package metrics

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// MaxKeys bounds the keys of one set: a client that creates a top-level node per request must not make the server
// hold a metric for each. What comes later is counted under OtherKey.
const MaxKeys = 1000

// OtherKey is the key of everything beyond MaxKeys keys. No namespace is called that: it has a slash.
const OtherKey = "other/namespaces"

// set is a map from key to instrument that is read without a lock and copied when a key is added.
type set[T any] struct {
	now   atomic.Pointer[map[string]*T]
	mu    sync.Mutex // held while a key is added
	other atomic.Pointer[T]
}

func (s *set[T]) get(key string) *T {
	if m := s.now.Load(); m != nil {
		if t := (*m)[key]; t != nil {
			return t
		}
		if len(*m) >= MaxKeys {
			return s.overflow()
		}
	}
	return s.add(strings.Clone(key))
}

func (s *set[T]) getBytes(key []byte) *T {
	if m := s.now.Load(); m != nil {
		if t := (*m)[string(key)]; t != nil {
			return t
		}
		if len(*m) >= MaxKeys {
			return s.overflow()
		}
	}
	return s.add(string(key))
}

func (s *set[T]) overflow() *T {
	if t := s.other.Load(); t != nil {
		return t
	}
	s.other.CompareAndSwap(nil, new(T))
	return s.other.Load()
}

func (s *set[T]) add(key string) *T {
	s.mu.Lock()
	defer s.mu.Unlock()
	var old map[string]*T
	if m := s.now.Load(); m != nil {
		old = *m
	}
	if t := old[key]; t != nil {
		return t
	}
	if len(old) >= MaxKeys {
		return s.overflow()
	}
	grown := make(map[string]*T, len(old)+1)
	maps.Copy(grown, old)
	t := new(T)
	grown[key] = t
	s.now.Store(&grown)
	return t
}

// each walks the keys in ascending order, OtherKey last.
func (s *set[T]) each(yield func(key string, t *T)) {
	if m := s.now.Load(); m != nil {
		for _, key := range slices.Sorted(maps.Keys(*m)) {
			yield(key, (*m)[key])
		}
	}
	if t := s.other.Load(); t != nil {
		yield(OtherKey, t)
	}
}

// A SummarySet is a Summary for each of a bounded number of keys (Java AvgMinMaxCounterSet). The zero value is ready.
type SummarySet struct{ set set[Summary] }

// Observe records a value for a key. Only the first value of a key allocates.
func (s *SummarySet) Observe(key string, v int64) { s.set.get(key).Observe(v) }

// ObserveBytes is Observe for a key in a buffer, which is not kept.
func (s *SummarySet) ObserveBytes(key []byte, v int64) { s.set.getBytes(key).Observe(v) }

// Reset forgets the values and keeps the keys, as Java does.
func (s *SummarySet) Reset() { s.set.each(func(_ string, t *Summary) { t.Reset() }) }

func (s *SummarySet) emit(name string, emit Emit) {
	s.set.each(func(key string, t *Summary) { t.emit(key+"_"+name, emit) })
}

// A CounterSet is a Counter for each of a bounded number of keys (Java SimpleCounterSet). The zero value is ready.
type CounterSet struct{ set set[Counter] }

// Add adds to the count of a key. Only the first use of a key allocates.
func (s *CounterSet) Add(key string, n int64) { s.set.get(key).Add(n) }

// AddBytes is Add for a key in a buffer, which is not kept.
func (s *CounterSet) AddBytes(key []byte, n int64) { s.set.getBytes(key).Add(n) }

// Reset sets the counts to zero and keeps the keys, as Java does.
func (s *CounterSet) Reset() { s.set.each(func(_ string, t *Counter) { t.Reset() }) }

func (s *CounterSet) emit(name string, emit Emit) {
	s.set.each(func(key string, t *Counter) { t.emit(key+"_"+name, emit) })
}

// Namespace returns the first component of an absolute path, the key of the per-namespace metrics, and false for the
// root (Java PathUtils.getTopNamespace).
func Namespace(path string) (string, bool) {
	if len(path) < 2 || path[0] != '/' {
		return "", false
	}
	top, _, _ := strings.Cut(path[1:], "/")
	return top, true
}
