/* SPDX-License-Identifier: MIT */
/*
 * Where tether-analyse is. Its place is told relative to the file that this
 * code was loaded from, so that build trees and moved prefixes work; that
 * file is found in the process's maps, because the loader's functions may not
 * be called inside malloc.
 *
 * Hook: everything here may run inside malloc and free.
 */
#include "report/report_names.h"

#include <string.h>
#include <unistd.h>

#include "os/os.h"
#include "os/os_maps.h"

#ifndef TT_ANALYSE_RELATIVE
#    define TT_ANALYSE_RELATIVE "../libexec/tether/tether-analyse"
#endif
#ifndef TT_ANALYSE_PATH
#    define TT_ANALYSE_PATH "/usr/local/libexec/tether/tether-analyse"
#endif

static bool path_try(struct tt_text *path, const char *folder, size_t len,
                     const char *rest)
{
    path->len = 0;
    tt_text_bytes(path, folder, len);
    tt_text_add(path, "%s", rest);
    return !path->cut && access(path->data, X_OK) == 0;
}

/* Places relative to the file that this code was loaded from: a build tree,
 * the unit tests' folder in it, an installed prefix that may have moved. */
static bool analyser_beside_us(struct tt_text *path)
{
    static const char *const rests[] = { "/tether-analyse",
                                         ("/" TT_ANALYSE_RELATIVE),
                                         "/../libexec/tether/tether-analyse",
                                         "/../../libexec/tether/tether-analyse",
                                         "/../bin/tether-analyse",
                                         "/../lib/tether-analyse" };
    struct tt_text maps;
    struct tt_map map;
    bool found = false;
    tt_text_make(&maps);
    if (tt_maps_read(&maps) &&
        tt_maps_find(&maps, (uintptr_t)&analyser_beside_us, &map)) {
        while (map.path_len > 0 && map.path[map.path_len - 1] != '/')
            map.path_len--;
        for (size_t i = 0; i < TT_COUNT(rests) && map.path_len && !found; i++)
            found = path_try(path, map.path, map.path_len - 1, rests[i]);
    }
    tt_text_drop(&maps);
    return found;
}

bool tt_names_analyser(struct tt_text *path)
{
    const char *const told = tt_os_env("TETHER_ANALYSE");
    if (told && told[0])
        return path_try(path, told, strlen(told), "");
    if (analyser_beside_us(path))
        return true;
    return path_try(path, "", 0, TT_ANALYSE_PATH);
}
