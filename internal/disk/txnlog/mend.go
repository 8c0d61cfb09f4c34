package txnlog

import (
	"hash/adler32"
	"math/bits"
)

// maxMend is the longest record that Mend looks at, in bytes.
const maxMend = 64 << 20

// Mend looks for one bit in a damaged record which, inverted, makes everything
// about the record right: checksum, length, end mark, and that the next record
// follows at once. It returns the record as it then is. It is nil if there is no
// such bit, or more than one and nobody can say which. e is what [Lone.End] has
// returned.
//
// That a bit fits is no proof: Adler-32 is weak, and of records with a few wrong
// bits some look like one with another wrong bit. The digests of the
// transactions tell, when they are replayed. A server must never do this.
func (l *Lone) Mend(e End) ([]byte, error) {
	if e.State != Damaged || l.reader.ended != endBadRecord {
		return nil, nil
	}
	r := l.reader
	h, err := readRecordHeader(r.file, e.Offset)
	if err != nil {
		return nil, r.wrap(err)
	}
	size := int64(recordOverhead) + h.length
	if e.Next >= 0 {
		size = e.Next - e.Offset
	}
	if size < recordOverhead+minPayload || size > maxMend || size > r.size-e.Offset {
		return nil, nil
	}
	b := make([]byte, size)
	if err := readFull(r.file, b, e.Offset); err != nil {
		return nil, r.wrap(err)
	}
	return mended(b), nil
}

// mended is b with the one bit inverted that makes it a whole record, or nil.
func mended(b []byte) []byte {
	h := parseRecordHeader(b)
	payload := b[recordHeaderSize : len(b)-1]
	var found []int // bits, counted from the least of the first byte
	lengthOff := bits.OnesCount32(uint32(h.length) ^ uint32(len(payload)))
	markOff := bits.OnesCount8(b[len(b)-1] ^ endOfRecord)
	sum := uint64(adler32.Checksum(payload))
	switch {
	case sum == h.checksum && lengthOff+markOff == 1:
		for i := range 32 {
			if uint32(h.length)^uint32(len(payload)) == 1<<i {
				found = append(found, bitOf(8+3-i/8, i%8))
			}
		}
		for i := range 8 {
			if b[len(b)-1]^endOfRecord == 1<<i {
				found = append(found, bitOf(len(b)-1, i))
			}
		}
	case lengthOff+markOff == 0:
		for i := range 64 {
			if sum^h.checksum == 1<<i {
				found = append(found, bitOf(7-i/8, i%8))
			}
		}
		for _, bit := range payloadBits(payload, h.checksum, sum) {
			found = append(found, bit+8*recordHeaderSize)
		}
	}
	if len(found) != 1 {
		return nil
	}
	b[found[0]/8] ^= 1 << (found[0] % 8)
	return b
}

func bitOf(byteAt, bit int) int { return 8*byteAt + bit }

// payloadBits finds the bits which, inverted, give the payload the checksum
// want instead of got. Inverting bit k of the byte at i changes the two sums of
// Adler-32 by ±2^k and ±2^k(n-i), modulo 65521; see isBitFlip.
func payloadBits(payload []byte, want, got uint64) []int {
	const mod = 65521
	if want > 1<<32-1 {
		return nil
	}
	var found []int
	deltaA := (want&0xffff + mod - got&0xffff) % mod
	deltaB := (want>>16 + mod - got>>16) % mod
	for k := range 8 {
		for set, change := range [2]uint64{1 << k, mod - 1<<k} { // set: the bit is 1 now and must become 0
			if deltaA != change {
				continue
			}
			weight := int(deltaB * inverse(change, mod) % mod)
			for i := len(payload) - weight; i >= 0; i -= mod {
				if i < len(payload) && int(payload[i]>>k&1) == set {
					found = append(found, 8*i+k)
				}
			}
		}
	}
	return found
}

// RecordPayload is the payload of a whole record as [Lone.Mend] returns it.
func RecordPayload(record []byte) []byte { return record[recordHeaderSize : len(record)-1] }
