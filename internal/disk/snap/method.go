package snap

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"strings"
)

// A Method is how the stream of a snapshot is compressed
// (zookeeper.snapshot.compression.method).
type Method string

// The methods of SnapStream.StreamMode.
const (
	Plain  Method = ""
	Gzip   Method = "gz"
	Snappy Method = "snappy"
)

const gzipMagic = "\x1f\x8b"

// ParseMethod accepts what Java accepts, in either case. Java takes everything
// else for plain without a word; here ok tells.
func ParseMethod(s string) (m Method, ok bool) {
	m = Method(strings.ToLower(s))
	switch m {
	case Plain, Gzip, Snappy:
		return m, true
	}
	return Plain, false
}

func (m Method) extension() string {
	if m == Plain {
		return ""
	}
	return "." + string(m)
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// compressor wraps w. Close completes the compressed stream and leaves w open.
func (m Method) compressor(w io.Writer) (io.WriteCloser, error) {
	switch m {
	case Plain:
		return nopCloser{w}, nil
	case Gzip:
		// Much faster than the default level, for a little more space.
		return gzip.NewWriterLevel(w, gzip.BestSpeed)
	case Snappy:
		return newSnappyWriter(w), nil
	}
	return nil, fmt.Errorf("unknown compression method %q; use gz, snappy or none", string(m))
}

// decompressor wraps r. Its errors, but not those of r, mean a corrupt file.
func (m Method) decompressor(r io.Reader) (io.Reader, error) {
	switch m {
	case Gzip:
		return gzip.NewReader(bufio.NewReaderSize(r, blockSize))
	case Snappy:
		return newSnappyReader(bufio.NewReaderSize(r, blockSize))
	}
	return r, nil
}
