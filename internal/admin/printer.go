package admin

import (
	"bufio"
	"net/netip"
	"strconv"
	"strings"
)

// printer writes text; the first error of the writer sticks and is reported at the end.
type printer struct {
	w       *bufio.Writer
	scratch [24]byte
}

// text writes strings.
func (p *printer) text(parts ...string) {
	for _, s := range parts {
		_, _ = p.w.WriteString(s) // the error sticks in w
	}
}

// line writes strings and a newline.
func (p *printer) line(parts ...string) {
	p.text(parts...)
	_ = p.w.WriteByte('\n') // the error sticks in w
}

// int writes a decimal number.
func (p *printer) int(n int64) { _, _ = p.w.Write(strconv.AppendInt(p.scratch[:0], n, 10)) }

// hex writes the two's complement of a number in hexadecimal, as Java's Long.toHexString.
func (p *printer) hex(n int64) { _, _ = p.w.Write(strconv.AppendUint(p.scratch[:0], uint64(n), 16)) }

// field writes a name, a decimal number and nothing after it.
func (p *printer) field(name string, n int64) {
	p.text(name)
	p.int(n)
}

// row writes a name, a decimal number and a newline.
func (p *printer) row(name string, n int64) {
	p.field(name, n)
	p.line()
}

// failed reports whether the client is gone, so that long answers can end early.
func (p *printer) failed() bool {
	_, err := p.w.Write(nil)
	return err != nil
}

// javaAddr prints an address as Java's InetSocketAddress does: a slash where the host name would be, IPv6 groups
// without leading zeros and never shortened, in brackets (since Java 14).
func javaAddr(a netip.AddrPort) string {
	addr := a.Addr().Unmap()
	port := strconv.Itoa(int(a.Port()))
	if !addr.Is6() {
		return "/" + addr.String() + ":" + port
	}
	var b strings.Builder
	b.WriteString("/[")
	raw := addr.As16()
	for i := 0; i < len(raw); i += 2 {
		if i > 0 {
			b.WriteByte(':')
		}
		b.WriteString(strconv.FormatUint(uint64(raw[i])<<8|uint64(raw[i+1]), 16))
	}
	if zone := addr.Zone(); zone != "" {
		b.WriteString("%" + zone)
	}
	return b.String() + "]:" + port
}
