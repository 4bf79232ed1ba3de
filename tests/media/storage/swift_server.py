"""OpenStack Swift with its S3 API, whole in one process: an S3 server that is not ours.

``python swift_server.py FOLDER`` serves on a free port of this machine, which it prints, until it
is killed. What is signed is checked by Swift's own code.
"""

import eventlet

eventlet.monkey_patch()

import logging  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

from eventlet import wsgi  # noqa: E402
from swift.common.ring import RingData  # noqa: E402
from swift.common.storage_policy import reload_storage_policies  # noqa: E402
from swift.common.utils import set_swift_dir  # noqa: E402
from swift.common.wsgi import SwiftHttpProtocol, loadapp  # noqa: E402

HOST = "127.0.0.1"
DEVICE = "disk"
LOCAL = """
[DEFAULT]
devices = {folder}/devices
mount_check = false
[pipeline:main]
pipeline = server
[app:server]
use = egg:swift#{kind}
"""
PROXY = """
[DEFAULT]
swift_dir = {folder}
[pipeline:main]
pipeline = catch_errors gatekeeper listing_formats s3api tempauth bulk slo dlo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
allow_multipart_uploads = true
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = not-a-real-secret .admin
"""
PLAIN = ("catch_errors", "gatekeeper", "listing_formats", "bulk", "slo", "dlo")


def main(folder: Path) -> None:
    """Three back ends on one disk and the proxy before them, each on a port of its own."""
    (folder / "devices" / DEVICE).mkdir(parents=True)
    (folder / "swift.conf").write_text("[swift-hash]\nswift_hash_path_suffix = any\n")
    set_swift_dir(str(folder))
    reload_storage_policies()
    for kind in ("account", "container", "object"):
        listener = eventlet.listen((HOST, 0))
        ring(listener.getsockname()[1]).save(str(folder / f"{kind}.ring.gz"))
        eventlet.spawn(serve, listener, folder, kind, LOCAL.format(folder=folder, kind=kind))
    listener = eventlet.listen((HOST, 0))
    filters = "".join(f"[filter:{name}]\nuse = egg:swift#{name}\n" for name in PLAIN)
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    serve(listener, folder, "proxy", PROXY.format(folder=folder) + filters)


def ring(port: int) -> RingData:
    """All on the one disk behind that port."""
    device = {
        "id": 0,
        "region": 1,
        "zone": 1,
        "ip": HOST,
        "port": port,
        "device": DEVICE,
        "weight": 1,
    }
    device |= {"replication_ip": HOST, "replication_port": port}
    return RingData([[0, 0]], [device], 31)


def serve(listener: object, folder: Path, kind: str, config: str) -> None:
    """Run one of them for ever."""
    path = folder / f"{kind}.conf"
    path.write_text(config)
    app = loadapp(str(path), {"log_statsd_host": ""})
    wsgi.server(listener, app, logging.getLogger(kind), protocol=SwiftHttpProtocol)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
