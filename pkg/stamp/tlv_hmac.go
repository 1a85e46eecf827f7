package stamp

// AppendHMAC appends an HMAC TLV (RFC 8972 section 4.8) with a value of 16 zeros, which StampSender
// overwrites. It covers the sequence number and all TLVs before it, and has to be the last but for
// Extra Padding. With authentication it must be there, unless the only TLV is Extra Padding.
func AppendHMAC(b []byte) []byte {
	var value [hmacSize]byte
	return append(appendHeader(b, TypeHMAC, hmacSize), value[:]...)
}

// signTLVs writes the HMAC TLV's value, if there is such a TLV.
func (c *Codec) signTLVs(seq uint32, tlvs []byte) {
	for at := 0; ; {
		n, _ := tlvSize(tlvs[at:])
		if n == 0 {
			return
		}
		if Type(tlvs[at+1]) == TypeHMAC && n == headerSize+hmacSize {
			c.signTLV(seq, tlvs, at)
			return
		}
		at += n
	}
}

// signTLV writes the value of the HMAC TLV that begins at an offset.
func (c *Codec) signTLV(seq uint32, tlvs []byte, at int) {
	copy(tlvs[at+headerSize:], c.digestTLVs(seq, tlvs[:at]))
}

// verifyTLVs checks the HMAC TLV and returns the offset at which it begins, or -1 if none is there
// and none is needed. The error is ErrTLVHMAC.
//
// RFC 8972 section 4.8 wants one with authentication. It says nothing of unauthenticated mode under a
// key; there it is wanted too, because else one who cannot make a valid HMAC could leave it out. Nor
// does it say what to do with an HMAC TLV without a key: it was not verified, so nothing may be used.
func (c *Codec) verifyTLVs(seq uint32, tlvs []byte) (int, error) {
	found, tlvCount, paddingCount := -1, 0, 0
	for at := 0; ; tlvCount++ {
		n, _ := tlvSize(tlvs[at:])
		if n == 0 { // the end, padding, or a truncated TLV, which is never used
			break
		}
		switch t := Type(tlvs[at+1]); {
		case t == TypeExtraPadding:
			paddingCount++
		case found >= 0:
			return -1, ErrTLVHMAC // behind the HMAC TLV and not covered
		case t == TypeHMAC:
			if n != headerSize+hmacSize {
				return -1, ErrTLVHMAC
			}
			found = at
		}
		at += n
	}
	if found < 0 {
		if onlyPadding := paddingCount == tlvCount && tlvCount <= 1; c.mac == nil || onlyPadding {
			return -1, nil
		}
		return -1, ErrTLVHMAC
	}
	value := tlvs[found+headerSize : found+headerSize+hmacSize]
	if c.mac == nil || !same(c.digestTLVs(seq, tlvs[:found]), value) {
		return -1, ErrTLVHMAC
	}
	return found, nil
}
