package config

import "slices"

// auth is the keys auth_key and auth_key_file, of which one level has one at most.
type auth struct {
	Key  *setting[string]
	File *setting[string]
}

// given returns where the key was given, nil if it was not or is none.
func (a auth) given() *setting[string] {
	if a.File == nil && valueOr(a.Key, "") == "" {
		return nil
	}
	return first(a.File, a.Key)
}

func readAuth(t *table) auth {
	a := auth{
		Key:  read(t, "auth_key", noKeyRule),
		File: read(t, "auth_key_file", keyFileRule),
	}
	if a.Key != nil && a.File != nil {
		t.doc.fail(conflict(a.Key.from, a.File.from, "give one of them"))
	}
	return a
}

// firstAuth takes both keys from one level: a target's auth_key takes the place of the top level's
// auth_key_file too.
func firstAuth(candidates ...auth) auth {
	for _, candidate := range candidates {
		if candidate != (auth{}) {
			return candidate
		}
	}
	return auth{}
}

// readKeys fills in the keys, those in files of their own too.
func (l layers) readKeys(c *Config, readSecret func(string) ([]byte, error)) (err error) {
	files := keyFiles{read: readSecret, known: map[string]keyFile{}}
	for i, t := range l.file.Targets {
		c.Targets[i].Stamp.AuthKey, err = l.probe(t).Auth.key(&files)
		if err != nil {
			return err
		}
	}
	c.Reflector.AuthKeys, err = l.authKeys(&files)
	return err
}

func (a auth) key(files *keyFiles) (Key, error) {
	switch {
	case a.given() == nil:
		return nil, nil
	case a.File != nil:
		key, err := files.one(a.File)
		return slices.Clone(key), err
	}
	key, _ := parseKey(a.Key.value) // its rule has accepted it
	return key, nil
}

func (l layers) authKeys(files *keyFiles) ([]Key, error) {
	if l.file.AuthKeysFile != nil {
		keys, err := files.all(l.file.AuthKeysFile)
		return slices.Clone(keys), err
	}
	var keys []Key
	for _, text := range first(l.file.AuthKeys, l.defaults.AuthKeys).value {
		key, _ := parseKey(text) // as above
		keys = append(keys, key)
	}
	return keys, nil
}
