"""The frame of the contact sheet: style, and the few lines of script behind the filters."""

from string import Template

PAGE = Template("""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>$title</title>
<style>
 body { font: 14px sans-serif; margin: 1rem; background: #faf9f6; color: #282828 }
 nav { position: sticky; top: 0; background: inherit; padding: .5rem 0 }
 nav { display: flex; flex-wrap: wrap; gap: .3rem 1rem }
 main { display: flex; flex-wrap: wrap; gap: 12px; align-items: flex-start }
 figure { margin: 0; width: 150px; overflow-wrap: anywhere } figure[hidden] { display: none }
 img { width: 112px; height: 112px; object-fit: cover } td { font-size: 11px; padding-right: 4px }
</style>
<h1>$title</h1>
<nav>
$filters
<span id="count"></span>
</nav>
<main>
$tiles
</main>
<script>
const menus = [...document.querySelectorAll("select")], tiles = [...document.querySelectorAll("figure")];
const groups = tiles.map(tile => JSON.parse(tile.dataset.groups));
function update() {
  let shown = 0;
  tiles.forEach((tile, i) => {
    tile.hidden = menus.some(menu => menu.value && groups[i][menu.dataset.division] !== menu.value);
    shown += !tile.hidden;
  });
  document.getElementById("count").textContent = shown + " shown";
}
menus.forEach(menu => menu.addEventListener("change", update));
update();
</script>
</html>
""")
