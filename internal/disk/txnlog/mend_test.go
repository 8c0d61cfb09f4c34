package txnlog

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// mendFirst mends the first damaged place of a log.
func mendFirst(t *testing.T, b []byte) (record []byte, end End) {
	t.Helper()
	m := newDir(t)
	putFile(t, m, "/data/log", b)
	l, err := OpenLone(m, "/data/log")
	mustDo(t, err)
	defer l.Close()
	for {
		_, ok, err := l.Next()
		mustDo(t, err)
		if !ok {
			break
		}
	}
	end, err = l.End()
	mustDo(t, err)
	record, err = l.Mend(end)
	mustDo(t, err)
	return record, end
}

// Every single wrong bit of a record, whichever it is, is found and put right.
func TestMendEveryBit(t *testing.T) {
	m := newDir(t)
	writeLog(t, m, Options{}, through(1, 4))
	whole := readFile(t, m, logPath(1))
	at := headerSize + recordSize
	want := whole[at : at+recordSize]
	unsure := 0
	for bit := range 8 * recordSize {
		b := bytes.Clone(whole)
		b[at+bit/8] ^= 1 << (bit % 8)
		got, end := mendFirst(t, b)
		if end.Offset != int64(at) {
			t.Fatalf("bit %d: damage at %d, want %d", bit, end.Offset, at)
		}
		if got == nil {
			unsure++
			continue
		}
		if !bytes.Equal(got, want) {
			t.Errorf("bit %d: mended to something else", bit)
		}
	}
	if unsure > 8 {
		t.Errorf("%d of %d bits were not found", unsure, 8*recordSize)
	}
}

// A long record, in which a weight stands for several places, is mended right or not at all.
func TestMendLongRecord(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	payload := make([]byte, 300_000)
	for i := range payload {
		payload[i] = byte(rng.Uint32())
	}
	record, err := appendRecord(nil, payload)
	mustDo(t, err)
	found := 0
	for range 200 {
		b := bytes.Clone(record)
		bit := rng.IntN(8 * len(b))
		b[bit/8] ^= 1 << (bit % 8)
		got := mended(b)
		if got != nil && !bytes.Equal(got, record) {
			t.Errorf("bit %d: mended to something else", bit)
		}
		if got != nil {
			found++
		}
	}
	if found < 20 {
		t.Errorf("only %d of 200 bits were found", found)
	}
}

// Several wrong bits are seldom taken for one: Adler-32 is weak, which is why a mended log wants its digests compared.
func TestMendMostlyRefusesMore(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	record, err := appendRecord(nil, payload(7, 200))
	mustDo(t, err)
	wrong := 0
	for range 5000 {
		b := bytes.Clone(record)
		for range 2 + rng.IntN(3) {
			bit := rng.IntN(8 * len(b))
			b[bit/8] ^= 1 << (bit % 8)
		}
		if got := mended(b); got != nil && !bytes.Equal(got, record) {
			wrong++
		}
	}
	if wrong > 250 {
		t.Errorf("%d of 5000 records with several wrong bits were mended to something wrong", wrong)
	}
}
