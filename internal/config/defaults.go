package config

// The defaults, in the units of their keys.
const (
	DefaultTCPPort        = 8000
	DefaultUDPPort        = 8001
	DefaultTCP            = true
	DefaultUDP            = true
	DefaultRTT            = true
	DefaultTCPLatency     = true
	DefaultSize           = 0
	DefaultIntervalMillis = 1000
	DefaultTimeoutSeconds = 1
	DefaultMaxLost        = 10
	DefaultMaxSize        = 1470
	DefaultMaxSessions    = 4096
	DefaultLogLevel       = LogInfo
	DefaultBackend        = BackendCLI
	DefaultUser           = ""
	DefaultGroup          = ""
	DefaultEngineMode     = EngineAuto
	DefaultIsolate        = IsolateAuto
	DefaultLockMemory     = false
	DefaultTxTimestamps   = TxTimestampsAuto
	DefaultRingSize       = 16384
	DefaultProtocol       = ProtocolAuto
	DefaultStampFormat    = FormatNTP
	// DefaultPTPUTCOffset is TAI - UTC since 2017, in seconds. By the book PTP timestamps are TAI, so
	// that is what a far end may expect whose maker says no more than "PTP". One that writes UTC shows
	// at once, by one-way delays of 37 s.
	DefaultPTPUTCOffset = 37
	DefaultDSCP         = 0
	DefaultAuthKey      = ""
	DefaultOWDAtSender  = OWDAuto
	DefaultStampPort    = 0
	DefaultRequireAuth  = false
	DefaultRateLimit    = 20_000
	DefaultReflector    = Stateful

	defaultBackendLogLevel = "warning"
)

// defaultLayer has a value for every key but name, whose default needs the system, address, type, ttl
// and the files with keys.
func defaultLayer() layer {
	return layer{
		probe:       defaultProbe(),
		TCP:         byDefault("tcp", DefaultTCP),
		UDP:         byDefault("udp", DefaultUDP),
		MaxSize:     byDefault("max_size", DefaultMaxSize),
		MaxSessions: byDefault("max_sessions", DefaultMaxSessions),
		LogLevel:    byDefault("log_level", string(DefaultLogLevel)),
		LogFile:     byDefault("log_file", ""),
		User:        byDefault("user", DefaultUser),
		Group:       byDefault("group", DefaultGroup),
		StampPort:   byDefault("stamp_port", DefaultStampPort),
		Allow:       byDefault("allow", []string(nil)),
		AuthKeys:    byDefault("auth_keys", []string(nil)),
		RequireAuth: byDefault("require_auth", DefaultRequireAuth),
		RateLimit:   byDefault("rate_limit", DefaultRateLimit),
		Reflector:   byDefault("reflector", string(DefaultReflector)),
		Engine:      defaultEngine(),
	}
}

func defaultProbe() probe {
	return probe{
		TCPPort:    byDefault("tcp_port", DefaultTCPPort),
		UDPPort:    byDefault("udp_port", DefaultUDPPort),
		RTT:        byDefault("rtt", DefaultRTT),
		TCPLatency: byDefault("tcp_latency", DefaultTCPLatency),
		Size:       byDefault("size", DefaultSize),
		Interval:   byDefault("interval", float64(DefaultIntervalMillis)),
		Timeout:    byDefault("timeout", float64(DefaultTimeoutSeconds)),
		MaxLost:    byDefault("max_lost", DefaultMaxLost),
		Tags:       byDefault("tags", []string(nil)),
		DSCP:       byDefault("dscp", DefaultDSCP),

		Protocol:     byDefault("protocol", string(DefaultProtocol)),
		StampFormat:  byDefault("stamp_format", string(DefaultStampFormat)),
		PTPUTCOffset: byDefault("ptp_utc_offset", DefaultPTPUTCOffset),
		Auth:         auth{Key: byDefault("auth_key", DefaultAuthKey)},
		OWDAtSender:  byDefault("owd_at_sender", string(DefaultOWDAtSender)),
	}
}

func defaultEngine() engine {
	return engine{
		Mode:             byDefault("engine.mode", string(DefaultEngineMode)),
		Isolate:          byDefault("engine.isolate", DefaultIsolate),
		RealtimePriority: byDefault("engine.realtime_priority", 0),
		CPUs:             byDefault("engine.cpus", []int(nil)),
		Spin:             byDefault("engine.spin", "0s"),
		TxTimestamps:     byDefault("engine.tx_timestamps", DefaultTxTimestamps),
		RingSize:         byDefault("engine.ring_size", DefaultRingSize),
		LockMemory:       byDefault("engine.lock_memory", DefaultLockMemory),
	}
}
