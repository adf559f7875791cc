#!/usr/bin/env python3
"""Recomputes the test vectors of docs/fairness.md without any of huntcore's code.

Usage: python3 fairness_check.py [fairness-vectors.json]
Ends with status 0 if every value is as the vectors say, else names those that are not.
Standard library only.
"""
import hashlib
import hmac
import json
import pathlib
import struct
import sys

CHAIN_ROUNDS = 65536


def sha256(data):
    return hashlib.sha256(data).digest()


def hkdf(secret, info):
    """RFC 5869 with SHA-256, no salt (32 zero bytes), one block of output."""
    key = hmac.new(bytes(32), secret, hashlib.sha256).digest()
    return hmac.new(key, info + b"\x01", hashlib.sha256).digest()


def chacha20_block(key, counter):
    """RFC 8439, section 2.3, with a nonce of zeros: 16 words."""
    start = list(struct.unpack("<4I", b"expand 32-byte k")) + list(struct.unpack("<8I", key))
    start += [counter, 0, 0, 0]
    x = start[:]

    def turn(a, b, c, d):
        for p, q, r, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            x[p] = (x[p] + x[q]) & 0xFFFFFFFF
            word = x[r] ^ x[p]
            x[r] = (word << bits | word >> (32 - bits)) & 0xFFFFFFFF

    for _ in range(10):
        for column in range(4):
            turn(column, 4 + column, 8 + column, 12 + column)
        for column in range(4):
            turn(column, 4 + (column + 1) % 4, 8 + (column + 2) % 4, 12 + (column + 3) % 4)
    return [(a + b) & 0xFFFFFFFF for a, b in zip(x, start)]


def words(key):
    counter = 0
    while True:
        yield from chacha20_block(key, counter)
        counter += 1


def below(stream, bound):
    zone = 2**32 // bound * bound
    return next(word for word in stream if word < zone) % bound


def chain_end(key, hunt, chain):
    name = hunt.encode()
    return hkdf(key, b"huntcore/chain" + bytes([len(name)]) + name + struct.pack(">Q", chain))


def seed_of(key, hunt, round_number):
    chain, before = divmod(round_number - 1, CHAIN_ROUNDS)
    return earlier(chain_end(key, hunt, chain), CHAIN_ROUNDS - before - 1)


def earlier(seed, steps):
    for _ in range(steps):
        seed = sha256(seed)
    return seed


def commitment(round_number, seed):
    return sha256(b"huntcore/commit" + struct.pack(">Q", round_number) + seed)


def draw_tiles(cells, layout, tiles):
    stream, cells = words(layout), list(cells)
    for i in range(tiles):
        j = i + below(stream, len(cells) - i)
        cells[i], cells[j] = cells[j], cells[i]
    return cells[:tiles]


def draw_points(values, key, tiles):
    stream, total = words(key), sum(value["weight"] for value in values)
    for _ in range(tiles):
        left = below(stream, total)
        for value in values:
            if left < value["weight"]:
                yield value["points"]
                break
            left -= value["weight"]


def config_bytes(config, cells):
    data = b"huntcore/config" + struct.pack(
        ">BIBII", 1, config["version"], config["resolution"], config["tiles"], len(cells))
    data += cells_hash(cells) + bytes([len(config["values"])])
    for value in config["values"]:
        data += struct.pack(">II", value["points"], value["weight"])
    return data


def cells_hash(cells):
    return sha256(b"".join(struct.pack(">Q", cell) for cell in cells))


def map_bytes(hunt, round_number, config_hash, tiles):
    name = hunt.encode()
    data = b"huntcore/map" + bytes([1, len(name)]) + name + struct.pack(">Q", round_number)
    data += config_hash + struct.pack(">I", len(tiles))
    return data + b"".join(struct.pack(">QI", cell, points) for cell, points in tiles)


def check(vectors):
    """Yields the name, the computed and the given value of everything in the vectors."""
    key, hunt = bytes.fromhex(vectors["fairness_key"]), vectors["hunt"]
    for given in vectors["chains"]:
        number = given["chain"]
        end = chain_end(key, hunt, number)
        yield f"end of chain {number}", end.hex(), given["end"]
        yield f"anchor of chain {number}", earlier(end, CHAIN_ROUNDS).hex(), given["anchor"]
    for given in vectors["draws"]:
        stream = words(bytes.fromhex(given["key"]))
        numbers = [below(stream, given["bound"]) for _ in given["numbers"]]
        yield f"draw below {given['bound']}", numbers, given["numbers"]
    cells = [int(cell, 16) for cell in vectors["cells"]["cells"]]
    yield "order of the cells", cells, sorted(set(cells))
    yield "hash of the cells", cells_hash(cells).hex(), vectors["cells"]["hash"]
    configs = {config["version"]: config for config in vectors["configs"]}
    for version, given in configs.items():
        data = config_bytes(given, cells)
        yield f"bytes of configuration {version}", data.hex(), given["bytes"]
        yield f"hash of configuration {version}", sha256(data).hex(), given["hash"]
    anchors = {given["chain"]: bytes.fromhex(given["anchor"]) for given in vectors["chains"]}
    for given in vectors["rounds"]:
        number, config = given["round"], configs[given["config_version"]]
        chain, before = divmod(number - 1, CHAIN_ROUNDS)
        seed = bytes.fromhex(given["seed"])
        what = f"round {number}: "
        yield what + "seed from the key", seed_of(key, hunt, number).hex(), given["seed"]
        yield what + "anchor from the seed", earlier(seed, before + 1), anchors[chain]
        yield what + "commitment", commitment(number, seed).hex(), given["commitment"]
        layout = hkdf(seed, b"huntcore/layout")
        yield what + "layout", layout.hex(), given["layout"]
        points = draw_points(config["values"], hkdf(seed, b"huntcore/values"), config["tiles"])
        tiles = list(zip(draw_tiles(cells, layout, config["tiles"]), points))
        shown = [{"cell": f"{cell:x}", "points": points} for cell, points in tiles]
        yield what + "tiles", shown[:len(given["tiles"])], given["tiles"]
        data = map_bytes(hunt, number, bytes.fromhex(config["hash"]), tiles)
        yield what + "map", sha256(data).hex(), given["map"]


def main():
    beside = pathlib.Path(__file__).with_name("fairness-vectors.json")
    path = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else beside
    results = list(check(json.loads(path.read_text())))
    wrong = [(name, ours, given) for name, ours, given in results if ours != given]
    for name, ours, given in wrong:
        print(f"{name}: computed {ours}, but the vectors say {given}")
    print(f"{len(results) - len(wrong)} of {len(results)} values are right")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
