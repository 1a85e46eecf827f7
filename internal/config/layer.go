package config

// layer mirrors the top level of the file. There is one for the options, one for the file and one for
// the defaults. A nil field was not given in that layer; a given one is within its range.
type layer struct {
	probe
	Name         *setting[string]
	Address      *setting[string]
	TCP          *setting[bool]
	UDP          *setting[bool]
	MaxSize      *setting[int]
	MaxSessions  *setting[int]
	LogLevel     *setting[string]
	LogFile      *setting[string]
	User         *setting[string]
	Group        *setting[string]
	StampPort    *setting[int]
	Allow        *setting[[]string]
	AuthKeys     *setting[[]string]
	AuthKeysFile *setting[string]
	RequireAuth  *setting[bool]
	RateLimit    *setting[int]
	Reflector    *setting[string]
	Engine       engine
	Targets      []target
	Backends     []backend
}

// probe mirrors the keys that targets inherit from the top level.
type probe struct {
	TCPPort    *setting[int]
	UDPPort    *setting[int]
	Type       *setting[string]
	RTT        *setting[bool]
	TCPLatency *setting[bool]
	Size       *setting[int]     // octets
	Interval   *setting[float64] // milliseconds
	Timeout    *setting[float64] // seconds
	MaxLost    *setting[int]
	Tags       *setting[[]string]
	DSCP       *setting[int]
	TTL        *setting[int]

	Protocol     *setting[string]
	StampFormat  *setting[string]
	PTPUTCOffset *setting[int] // seconds
	Auth         auth
	OWDAtSender  *setting[string]
}

// target mirrors one [[targets]] table.
type target struct {
	probe
	Host  setting[string]
	Label *setting[string]
}

// engine mirrors the [engine] table.
type engine struct {
	Mode             *setting[string]
	Isolate          *setting[Isolate]
	RealtimePriority *setting[int]
	CPUs             *setting[[]int]
	Spin             *setting[string]
	TxTimestamps     *setting[string]
	RingSize         *setting[int]
	LockMemory       *setting[bool]
}

// backend is one [[metrics]] table, already complete.
type backend struct {
	name setting[string]
	path path // of its table
	keys map[string]any
	from map[string]origin // of keys; nil if they are not known here
}

// readLayer reads TOML text. The error is the first mistake: of syntax, then of a value or a key.
func readLayer(src source) (layer, error) {
	root, err := openRoot(src)
	if err != nil {
		return layer{}, err
	}
	l := layer{
		probe:        readProbe(root),
		Name:         read(root, "name", nameRule),
		Address:      read(root, "address", addressRule),
		TCP:          read(root, "tcp", boolRule),
		UDP:          read(root, "udp", boolRule),
		MaxSize:      read(root, "max_size", maxSizeRule),
		MaxSessions:  read(root, "max_sessions", maxSessionsRule),
		LogLevel:     read(root, "log_level", logLevelRule),
		LogFile:      read(root, "log_file", fileNameRule),
		User:         read(root, "user", accountRule),
		Group:        read(root, "group", accountRule),
		StampPort:    read(root, "stamp_port", stampPortRule),
		Allow:        readList(root, "allow", allowRule),
		AuthKeys:     readList(root, "auth_keys", authKeysRule),
		AuthKeysFile: read(root, "auth_keys_file", keyFileRule),
		RequireAuth:  read(root, "require_auth", boolRule),
		RateLimit:    read(root, "rate_limit", rateLimitRule),
		Reflector:    read(root, "reflector", reflectorRule),
	}
	for _, t := range root.tables("targets") {
		l.Targets = append(l.Targets, readTarget(t))
	}
	l.Backends = readBackends(root)
	l.Engine = readEngine(root.table("engine"))
	root.close()
	return l, root.doc.err
}

func readProbe(t *table) probe {
	return probe{
		TCPPort:    read(t, "tcp_port", portRule),
		UDPPort:    read(t, "udp_port", portRule),
		Type:       read(t, "type", typeRule),
		RTT:        read(t, "rtt", boolRule),
		TCPLatency: read(t, "tcp_latency", boolRule),
		Size:       read(t, "size", sizeRule),
		Interval:   read(t, "interval", intervalRule),
		Timeout:    read(t, "timeout", timeoutRule),
		MaxLost:    read(t, "max_lost", maxLostRule),
		Tags:       readList(t, "tags", tagsRule),
		DSCP:       read(t, "dscp", dscpRule),
		TTL:        read(t, "ttl", ttlRule),

		Protocol:     read(t, "protocol", protocolRule),
		StampFormat:  read(t, "stamp_format", stampFormatRule),
		PTPUTCOffset: read(t, "ptp_utc_offset", utcOffsetRule),
		Auth:         readAuth(t),
		OWDAtSender:  read(t, "owd_at_sender", owdRule),
	}
}

func readTarget(t *table) target {
	defer t.close()
	return target{
		Host:  require(t, "host", hostRule),
		Label: read(t, "label", labelRule),
		probe: readProbe(t),
	}
}

func readEngine(t *table) engine {
	defer t.close()
	return engine{
		Mode:             read(t, "mode", engineModeRule),
		Isolate:          read(t, "isolate", isolateRule),
		RealtimePriority: read(t, "realtime_priority", priorityRule),
		CPUs:             readList(t, "cpus", cpusRule),
		Spin:             read(t, "spin", spinRule),
		TxTimestamps:     read(t, "tx_timestamps", txTimestampsRule),
		RingSize:         read(t, "ring_size", ringSizeRule),
		LockMemory:       read(t, "lock_memory", boolRule),
	}
}
