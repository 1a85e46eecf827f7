package config

import (
	"crypto/x509"
	"errors"
	"fmt"
)

// complete fills in the keys of a backend that were not given but depend on others, and holds all against
// one another. Its secrets are there.
func (b *backend) complete(h host, hostName string) error {
	for _, k := range backendKeys[b.name.value] {
		if _, given := b.keys[k.name]; given || k.derive == nil {
			continue
		}
		if value := k.derive(b.resolved(), hostName); value != nil {
			b.take(k.name, byDefault(b.path.key(k.name).String(), value))
		}
	}
	if err := b.checkRelations(); err != nil {
		return err
	}
	return b.checkCertificates(h.readFile)
}

func (b *backend) checkRelations() error {
	switch b.name.value {
	case BackendClickHouse:
		return b.checkClickHouse()
	case BackendPushgateway:
		return b.checkPushgateway()
	}
	return nil
}

// resolved is the backend as others see it, with the keys that there are so far.
func (b *backend) resolved() Backend { return Backend{Name: b.name.value, Keys: b.keys} }

// conflict is the error for two keys that do not go together.
func (b *backend) conflict(key, other, demand string) error {
	return conflict(b.from[key], b.from[other], demand)
}

// missing is the error for a key that must be given. Without a file it names the option that wants it.
func (b *backend) missing(k backendKey, demand string) error {
	where := b.name.from.file
	if where == "" {
		where = b.name.from.assignment
	}
	return fmt.Errorf("%s: %s is missing: %s", where, b.path.key(k.name), demand)
}

// checkCertificates finds out at the start what would be in the way of every connection.
func (b *backend) checkCertificates(readFile func(string) ([]byte, error)) error {
	name, given := b.keys["ca_file"].(string)
	if !given {
		return nil
	}
	pem, err := readFile(name)
	if err == nil && !x509.NewCertPool().AppendCertsFromPEM(pem) {
		err = errors.New("has no certificate in PEM")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", b.from["ca_file"], cause(err))
	}
	return nil
}

// checkPushgateway refuses a password that nobody would be asked for: there is no authentication without a
// name.
func (b *backend) checkPushgateway() error {
	if _, named := b.keys["username"]; named {
		return nil
	}
	for _, key := range []string{"password_file", "password"} { // the first is where the second is from
		if from, given := b.from[key]; given {
			return fmt.Errorf("%s: needs %s beside it", from, b.path.key("username"))
		}
	}
	return nil
}
