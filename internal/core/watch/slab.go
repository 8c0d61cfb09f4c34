package watch

import "iter"

const chunk = 512

// A slab hands out numbered places for records. It grows by chunks, so that
// growing moves nothing and holds up nobody; places that became free are
// handed out again, and the memory of many records goes when the last one does.
// Place 0 is never handed out.
type slab[T any] struct {
	chunks [][]T
	vacant []uint32
	used   int    // records in use
	next   uint32 // first place never handed out, less one
}

func (s *slab[T]) alloc(v T) uint32 {
	s.used++
	if n := len(s.vacant); n > 0 {
		i := s.vacant[n-1]
		s.vacant = s.vacant[:n-1]
		*s.at(i) = v
		return i
	}
	s.next++
	if int(s.next/chunk) == len(s.chunks) {
		s.chunks = append(s.chunks, make([]T, chunk))
	}
	*s.at(s.next) = v
	return s.next
}

func (s *slab[T]) at(i uint32) *T { return &s.chunks[i/chunk][i%chunk] }

// free takes a record back, and tells whether the slab gave up its memory.
func (s *slab[T]) free(i uint32) bool {
	s.used--
	if s.used == 0 && len(s.chunks) > 1 {
		*s = slab[T]{}
		return true
	}
	var zero T
	*s.at(i) = zero
	s.vacant = append(s.vacant, i)
	return false
}

// all yields every place ever handed out; one that is free holds the zero
// record.
func (s *slab[T]) all() iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for i := uint32(1); i <= s.next; i++ {
			if !yield(i) {
				return
			}
		}
	}
}
