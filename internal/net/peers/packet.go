package peers

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"quokka/internal/jute"
	"quokka/internal/proto"
)

const (
	packetHead = 16       // type, zxid and the length of the data
	maxIDs     = 4096     // ids of one packet: the identities of one client
	readStep   = 64 << 10 // more than this is allocated as it arrives
)

// A packetReader cuts a stream into packets. They have no length in front:
// every field tells where the next one is.
type packetReader struct {
	r *bufio.Reader
}

// next reads a packet with at most max bytes of data, and as many of ids.
// Between packets the end of the stream is io.EOF, within one it is
// io.ErrUnexpectedEOF. The packet's memory is its own.
func (d packetReader) next(max int) (proto.QuorumPacket, error) {
	head, err := d.r.Peek(packetHead)
	if err != nil {
		if err == io.EOF && len(head) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return proto.QuorumPacket{}, err
	}
	q := proto.QuorumPacket{
		Type: proto.PacketType(int32(binary.BigEndian.Uint32(head))), Zxid: proto.Zxid(binary.BigEndian.Uint64(head[4:])),
	}
	n := int32(binary.BigEndian.Uint32(head[12:]))
	_, _ = d.r.Discard(packetHead) // they are buffered
	if q.Data, err = d.buffer(n, max); err == nil {
		q.Auth, err = d.ids(max)
	}
	if err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return proto.QuorumPacket{}, fmt.Errorf("read %v: %w", q.Type, err)
	}
	return q, nil
}

// buffer reads n bytes; -1 is null.
func (d packetReader) buffer(n int32, max int) ([]byte, error) {
	if n < -1 || int(n) > max {
		return nil, fmt.Errorf("a field of %d bytes, the limit (jute.maxbuffer and its extra size) is %d", n, max)
	}
	if n == -1 {
		return nil, nil
	}
	b := make([]byte, 0, min(int(n), readStep))
	for len(b) < int(n) {
		b = slices.Grow(b, min(int(n)-len(b), readStep))
		m := min(int(n), cap(b))
		if _, err := io.ReadFull(d.r, b[len(b):m]); err != nil {
			return nil, err
		}
		b = b[:m]
	}
	return b, nil
}

func (d packetReader) int() (int32, error) {
	b, err := d.r.Peek(4)
	if err != nil {
		return 0, err
	}
	n := int32(binary.BigEndian.Uint32(b))
	_, err = d.r.Discard(4)
	return n, err
}

// ids reads the vector of a client's ids, at most max bytes of them.
func (d packetReader) ids(max int) ([]proto.ID, error) {
	n, err := d.int()
	if err != nil || n == -1 {
		return nil, err
	}
	if n < 0 || n > maxIDs {
		return nil, fmt.Errorf("a vector of %d ids, the limit is %d", n, maxIDs)
	}
	ids := make([]proto.ID, 0, min(n, 16))
	for range n {
		var field [2]string
		for i := range field {
			size, err := d.int()
			if err != nil {
				return nil, err
			}
			b, err := d.buffer(size, max)
			if err != nil {
				return nil, err
			}
			field[i] = string(b)
			max -= len(b)
		}
		ids = append(ids, proto.ID{Scheme: field[0], ID: field[1]})
	}
	return ids, nil
}

// writePacket writes a packet. Data that does not fit into w's buffer is not
// copied into it.
func writePacket(w *bufio.Writer, q *proto.QuorumPacket) error {
	b := w.AvailableBuffer()
	b = jute.AppendInt(b, int32(q.Type))
	b = jute.AppendLong(b, int64(q.Zxid))
	if q.Data == nil {
		b = jute.AppendInt(b, -1)
	} else {
		b = jute.AppendInt(b, int32(len(q.Data)))
	}
	if _, err := w.Write(b); err != nil {
		return err
	}
	if _, err := w.Write(q.Data); err != nil {
		return err
	}
	b = w.AvailableBuffer()
	if q.Auth == nil {
		b = jute.AppendInt(b, -1)
	} else {
		b = jute.AppendInt(b, int32(len(q.Auth)))
		for _, id := range q.Auth {
			b = proto.AppendID(b, id)
		}
	}
	_, err := w.Write(b)
	return err
}

// packetSize is what a packet counts against the limit of a link's queue.
func packetSize(q *proto.QuorumPacket) int {
	n := packetHead + 4 + len(q.Data)
	for _, id := range q.Auth {
		n += 8 + len(id.Scheme) + len(id.ID)
	}
	return n
}
