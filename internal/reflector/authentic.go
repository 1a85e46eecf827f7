package reflector

import (
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/pkg/stamp"
)

// codecs are the codecs for STAMP: one without a key, and one for each key.
type codecs struct {
	open          *stamp.Codec
	authenticated []*stamp.Codec
	last          int // the one of authenticated that verified a packet last
	requireAuth   bool
}

func newCodecs(c *Stamp) (codecs, error) {
	all := codecs{open: new(stamp.Codec), requireAuth: c.RequireAuth}
	for _, key := range c.Keys {
		codec, err := stamp.NewCodec(stamp.Authenticated, key)
		if err != nil {
			return codecs{}, err
		}
		all.authenticated = append(all.authenticated, codec)
	}
	return all, nil
}

// openMultiplier is where the multiplier of the error estimate is in an unauthenticated packet, which
// must not be 0. In an authenticated one, zeros are there (RFC 8762 sections 4.2.1 and 4.2.2).
const openMultiplier = 13

// decode decodes a session-sender packet into p, and finds the codec for its reply: that of the key under
// which it is authentic. Nil: it is to be dropped, for what the counter says.
//
// By RFC 8762 a packet does not tell its mode. But if octet 13 is 0 it can only be an authenticated one.
// So others cost no HMAC, and a forged one costs as many as there are keys; how often that is, the rate
// limit bounds. Without keys an authenticated packet is one with multiplier 0.
func (c *codecs) decode(packet []byte, p *stamp.SenderPacket) (codec *stamp.Codec, refused selfstats.Counter) {
	if len(packet) < stamp.MinSenderSize {
		return nil, selfstats.ProbesMalformed
	}
	if open := packet[openMultiplier] != 0; open && c.requireAuth {
		return nil, selfstats.ProbesUnauthenticated
	} else if open || len(c.authenticated) == 0 || len(packet) < stamp.AuthenticatedBaseSize {
		var err error
		*p, err = c.open.DecodeSender(packet)
		return c.verdict(c.open, err)
	}
	for i := range c.authenticated {
		k := (c.last + i) % len(c.authenticated)
		var err error
		*p, err = c.authenticated[k].DecodeSender(packet)
		if err == stamp.ErrHMAC {
			continue
		}
		c.last = k
		return c.verdict(c.authenticated[k], err)
	}
	return nil, selfstats.ProbesForged
}

func (c *codecs) verdict(codec *stamp.Codec, err error) (*stamp.Codec, selfstats.Counter) {
	switch err {
	case nil:
		return codec, 0
	case stamp.ErrMultiplier:
		return nil, selfstats.ProbesBadEstimate
	}
	return nil, selfstats.ProbesMalformed
}
