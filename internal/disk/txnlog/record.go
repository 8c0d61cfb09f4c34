package txnlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/adler32"
	"math"
)

const (
	headerSize       = 16 // of a file
	recordHeaderSize = 12 // checksum and length
	recordOverhead   = recordHeaderSize + 1
	endOfRecord      = 'B'
	zxidOffset       = 12 // in a payload
	timeOffset       = 20
	minPayload       = 20 // so that there is a zxid
	version          = 2
	counterMask      = 0xffffffff
)

var magic = [4]byte{'Z', 'K', 'L', 'G'}

// Record is one record as [Scan] hands it out.
type Record struct {
	Payload []byte // TxnHeader, txn and digest; valid only during the visit
	Zxid    int64
	File    string // path
	Offset  int64  // of the record's checksum in the file
}

// PayloadZxid is the zxid in a payload, or an error if it is too short to have
// one.
func PayloadZxid(payload []byte) (int64, error) {
	if len(payload) < minPayload {
		return 0, fmt.Errorf("txn payload of %d bytes: shorter than a txn header", len(payload))
	}
	return int64(binary.BigEndian.Uint64(payload[zxidOffset:])), nil
}

// payloadTime is the time of the transaction in ms, 0 if the payload is too
// short to have one.
func payloadTime(payload []byte) int64 {
	if len(payload) < timeOffset+8 {
		return 0
	}
	return int64(binary.BigEndian.Uint64(payload[timeOffset:]))
}

func appendHeader(b []byte, dbID int64) []byte {
	b = append(b, magic[:]...)
	b = binary.BigEndian.AppendUint32(b, version)
	return binary.BigEndian.AppendUint64(b, uint64(dbID))
}

var errTooLong = errors.New("txn payload does not fit a 32-bit length")

func appendRecord(b, payload []byte) ([]byte, error) {
	if len(payload) > math.MaxInt32 {
		return b, errTooLong
	}
	b = binary.BigEndian.AppendUint64(b, uint64(adler32.Checksum(payload)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(payload)))
	b = append(b, payload...)
	return append(b, endOfRecord), nil
}

// recordHeader is the first twelve bytes of a record.
type recordHeader struct {
	checksum uint64
	length   int64 // as found; may be negative
}

func parseRecordHeader(b []byte) recordHeader {
	return recordHeader{
		checksum: binary.BigEndian.Uint64(b),
		length:   int64(int32(binary.BigEndian.Uint32(b[8:]))),
	}
}

// fits says that a record of this length can lie in the rest of the file.
func (h recordHeader) fits(rest int64) bool {
	return h.length >= minPayload && h.length <= rest-recordOverhead
}

// Follows says that a record with zxid next may come right after prev.
func Follows(prev, next int64) bool {
	if next>>32 == prev>>32 {
		return next == prev+1
	}
	return next > prev && next&counterMask == 1
}
