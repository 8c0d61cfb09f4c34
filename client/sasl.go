package client

import (
	"context"
	"errors"
	"fmt"

	"quokka/internal/jute"
	"quokka/internal/proto"
)

// SASL is one conversation of a mechanism, such as GSSAPI or DIGEST-MD5, that
// authenticates a connection. See Options.SASL.
type SASL interface {
	// Next returns the answer to a challenge of the server. The first
	// challenge is nil: a mechanism in which the server speaks first answers
	// it with nothing. done says that the mechanism is satisfied once the
	// server has taken the answer.
	Next(ctx context.Context, challenge []byte) (response []byte, done bool, err error)
}

// maxSASLSteps bounds a conversation.
const maxSASLSteps = 32

// saslLogin has the conversation, before anything else is sent. The
// connection has a deadline.
func (s *session) saslLogin(l *link) error {
	if s.opts.SASL == nil {
		return nil
	}
	mech, err := s.opts.SASL(l.server)
	if err != nil {
		return fmt.Errorf("SASL: %w", err)
	}
	var challenge []byte
	for step := range int32(maxSASLSteps) {
		response, done, err := mech.Next(s.ctx, challenge)
		if err != nil {
			return &Error{Op: proto.OpSASL.String(), Code: ErrAuthFailed, Err: err}
		}
		if done && step > 0 && response == nil { // the server's last word needed no answer
			return nil
		}
		if response == nil {
			response = []byte{}
		}
		if challenge, err = s.saslStep(l, step, response); err != nil {
			return err
		}
		if done && len(challenge) == 0 {
			return nil
		}
	}
	return errors.New("SASL: the conversation does not end")
}

func (s *session) saslStep(l *link, xid int32, token []byte) ([]byte, error) {
	if _, err := l.conn.Write(appendFrame(nil, xid, proto.OpSASL, jute.AppendBuffer(nil, token))); err != nil {
		return nil, fmt.Errorf("SASL: %w", err)
	}
	b, err := l.frames.Next()
	if err != nil {
		return nil, fmt.Errorf("SASL: %w", err)
	}
	h, body, err := proto.DecodeReplyHeader(b)
	if err != nil {
		return nil, fmt.Errorf("SASL: %w", err)
	}
	if h.Err != proto.OK {
		e := &Error{Op: proto.OpSASL.String(), Code: ErrAuthFailed}
		if code := Code(h.Err); code != ErrAuthFailed {
			e.Err = code
		}
		return nil, e
	}
	d := jute.NewDecoder(body)
	challenge := append([]byte{}, d.Buffer()...)
	if d.Err() != nil {
		return nil, fmt.Errorf("SASL: %w", d.Err())
	}
	return challenge, nil
}
