package quokkatest

import (
	"context"
	"testing"
	"time"

	"quokka/client"
)

func TestOneServer(t *testing.T) {
	s := Start(t, 1)
	c := s.Dial(t, client.Options{SessionTimeout: 5 * time.Second})
	ctx := t.Context()
	if _, err := c.Create(ctx, "/a", []byte("1")); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(0); err != nil || s.Mode(0) != "stopped" {
		t.Fatalf("%v, %s", err, s.Mode(0))
	}
	if err := s.Run(0); err != nil {
		t.Fatal(err)
	}
	if err := s.WaitServing(); err != nil || s.Leader() != 0 {
		t.Fatal(err, s.Leader())
	}
	if b, _, err := c.Get(ctx, "/a"); err != nil || string(b) != "1" {
		t.Errorf("after a restart: %q, %v", b, err)
	}
}

func TestEnsembleGoesOnWithoutItsLeader(t *testing.T) {
	s := Start(t, 3)
	c := s.Dial(t, client.Options{SessionTimeout: 10 * time.Second})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if _, err := c.Create(ctx, "/a", nil, client.Ephemeral); err != nil {
		t.Fatal(err)
	}
	leader := s.Leader()
	if leader < 0 {
		t.Fatal("nobody leads")
	}
	if err := s.Stop(leader); err != nil {
		t.Fatal(err)
	}
	var err error
	for ok := false; !ok && ctx.Err() == nil; {
		_, ok, err = c.Exists(ctx, "/a") // a connection may be lost once more
		if err == nil && !ok {
			t.Fatal("the ephemeral node is gone")
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(leader); err != nil {
		t.Fatal(err)
	}
	if err := s.WaitServing(); err != nil {
		t.Fatal(err)
	}
}

func TestWrongNumber(t *testing.T) {
	if _, err := New(0, Options{}); err == nil {
		t.Error("0 servers")
	}
	if _, err := New(1, Options{Settings: map[string]string{"tickTime": "x"}}); err == nil {
		t.Error("a bad setting")
	}
}
