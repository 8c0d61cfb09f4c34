package client

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Config is the ensemble's configuration, which [Client.GetConfig] returns
// as text.
type Config struct {
	// Version is what Reconfig.Version may be bound to.
	Version int64
	// Members are the servers, by ID.
	Members []Member
}

// A Member is a server of a Config.
type Member struct {
	ID     int64  // the N of server.N
	Voting bool   // a participant; otherwise an observer
	Client string // host:port for clients, or "" if the configuration has none
}

// ParseConfig reads the text of a configuration. A member that listens for
// clients on all its addresses is given the host of its first address for the
// other servers. The error says which line cannot be read.
func ParseConfig(data []byte) (Config, error) {
	var c Config
	for line := range strings.Lines(string(data)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		var err error
		if key == "version" {
			c.Version, err = strconv.ParseInt(value, 16, 64)
		} else if id, ok := strings.CutPrefix(key, "server."); ok {
			var m Member
			m, err = parseMember(id, value)
			c.Members = append(c.Members, m)
		}
		if err != nil {
			return Config{}, fmt.Errorf("zookeeper: configuration line %q: %w", strings.TrimSpace(line), err)
		}
	}
	slices.SortFunc(c.Members, func(a, b Member) int { return int(a.ID - b.ID) })
	return c, nil
}

// parseMember reads host:port:port[|host:port:port…][:role][;[host:]port]
// (QuorumPeer.QuorumServer).
func parseMember(id, value string) (m Member, err error) {
	if m.ID, err = strconv.ParseInt(id, 10, 64); err != nil {
		return m, err
	}
	peers, addr, found := strings.Cut(value, ";")
	m.Voting = !strings.HasSuffix(peers, ":observer")
	if !found {
		return m, nil
	}
	addr = strings.TrimSpace(addr)
	if !strings.Contains(addr, ":") {
		addr = ":" + addr
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return m, err
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = peerHost(peers)
	}
	list, root, err := parseServers(net.JoinHostPort(host, port))
	if err == nil && (len(list) != 1 || root != "") { // it becomes a part of a connect string
		err = fmt.Errorf("address %q: want one host and one port", addr)
	}
	if err != nil {
		return m, err
	}
	m.Client = list[0]
	return m, nil
}

// peerHost returns the host of the first address for other servers.
func peerHost(peers string) string {
	if rest, ok := strings.CutPrefix(peers, "["); ok {
		host, _, _ := strings.Cut(rest, "]")
		return host
	}
	host, _, _ := strings.Cut(peers, ":")
	return host
}

// ConnectString names the members that take clients, for [Dial] and
// [Client.SetServers]. It is "" if the configuration has no such address, as
// that of an ensemble whose client ports stand in each server's own file.
func (c Config) ConnectString() string {
	var all []string
	for _, m := range c.Members {
		if m.Client != "" {
			all = append(all, m.Client)
		}
	}
	return strings.Join(all, ",")
}

// follow keeps the servers as the ensemble's configuration says, until the
// session is over.
func (s *session) follow() {
	c := &Client{s: s}
	wait := minReread
	for s.ctx.Err() == nil {
		w, err := s.adoptConfig(c)
		if err == nil {
			wait = minReread
			if _, err = w.Next(s.ctx); err == nil {
				continue
			}
		}
		switch {
		case ending(err) != nil || s.ctx.Err() != nil:
			return
		case errors.Is(err, ErrConnectionLoss): // the next call waits for a server
			continue
		}
		s.opts.Logger.Warn("zookeeper configuration cannot be followed", "error", err, "wait", wait)
		select {
		case <-time.After(wait):
		case <-s.ctx.Done():
		}
		wait = min(2*wait, maxReread)
	}
}

// adoptConfig reads the configuration, and returns a watch for the next one.
func (s *session) adoptConfig(c *Client) (*Watch, error) {
	data, _, w, err := c.GetConfigW(s.ctx)
	if err != nil {
		return nil, err
	}
	cfg, err := ParseConfig(data)
	if err == nil && cfg.ConnectString() != "" {
		list, _, _ := parseServers(cfg.ConnectString())
		err = s.setServers(list)
	}
	if err != nil {
		_ = w.Close()
		return nil, err
	}
	return w, nil
}
